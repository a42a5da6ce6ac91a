// SPDX-License-Identifier: GPL-2.0
//! Full nodes: an array of 256 slots, one for each byte, and a packed node for the rest.
//!
//! ```text
//! array   0 .. 254   the child under the byte; or, where there is none, the longest internal
//!                    prefix that covers the byte, if any, "pushed" into the slot
//!         255        the packed node: the internal prefixes, and the child under byte 255
//! ```
//!
//! The array fills 2,048 bytes. A lookup reads one slot, and the packed node only where nothing
//! below the child matched and the child's slot says that an internal prefix covers it. Slots
//! change in place; the packed node is replaced by a copy when an internal prefix is added.

use super::{
    entry::EntryRef,
    item::Item,
    packed::PackedRef,
    slot::{Kind, Raw, Slot, Target, NODE_ALIGN},
    stride::Items,
};
use core::{
    alloc::Layout,
    marker::PhantomData,
    mem::{align_of, size_of},
    ptr::NonNull,
};

/// The byte whose slot leads to the packed node.
const REST: u8 = 255;

/// The layout of an array.
pub(super) const LAYOUT: Layout = {
    assert!(align_of::<Slot>() <= NODE_ALIGN);
    // SAFETY: the alignment is a power of two.
    unsafe { Layout::from_size_align_unchecked(256 * size_of::<Slot>(), NODE_ALIGN) }
};

/// A full node that stays readable for `'a`.
///
/// # Invariants
///
/// The pointer is to an array that [`write`] filled, and of the block only slots are written during
/// `'a`. Slot 255 leads to a packed node.
#[derive(Clone, Copy)]
pub(super) struct FullRef<'a>(NonNull<[Slot; 256]>, PhantomData<&'a Slot>);

impl<'a> FullRef<'a> {
    /// # Safety
    ///
    /// The type's invariants hold for `'a`.
    #[inline]
    pub(super) unsafe fn new(ptr: NonNull<u8>) -> Self {
        // INVARIANT: passed on to the caller.
        Self(ptr.cast(), PhantomData)
    }

    pub(super) fn ptr(self) -> NonNull<u8> {
        self.0.cast()
    }

    #[inline]
    fn array(self) -> &'a [Slot; 256] {
        // SAFETY: by the invariants an array of slots, which are only written as atomics.
        unsafe { self.0.as_ref() }
    }

    /// The slot of `byte` in the array; `None`: its child is in the packed node.
    #[inline]
    pub(super) fn in_array(self, byte: u8) -> Option<&'a Slot> {
        (byte != REST).then(|| &self.array()[usize::from(byte)])
    }

    /// The slots for the children that are in the array.
    pub(super) fn children(self) -> &'a [Slot] {
        &self.array()[..usize::from(REST)]
    }

    /// The slot that leads to the packed node.
    pub(super) fn rest_slot(self) -> &'a Slot {
        &self.array()[usize::from(REST)]
    }

    /// The packed node.
    pub(super) fn rest(self) -> PackedRef<'a> {
        match self.rest_slot().acquire().target() {
            // SAFETY: by the invariants a packed node; it was published, and is retired after it
            // became unreachable, and 'a lies in a reader section that keeps it, or belongs to the
            // writer, who retires.
            Target::Node(ptr, _) => unsafe { PackedRef::new(ptr) },
            // SAFETY: excluded by the invariants.
            _ => unsafe { core::hint::unreachable_unchecked() },
        }
    }

    /// The slot for the child under `byte`.
    #[inline]
    pub(super) fn child(self, byte: u8) -> Option<&'a Slot> {
        self.in_array(byte).or_else(|| self.rest().child(byte))
    }

    /// The longest internal prefix of at most `len` bits that covers `byte`.
    pub(super) fn cover(self, byte: u8, len: u32) -> Option<EntryRef<'a>> {
        self.rest().cover(byte, len)
    }

    /// Calls `f` with each item, vacant or not, and its slot, in order of their numbers.
    pub(super) fn for_each(self, mut f: impl FnMut(Item, &'a Slot)) {
        let mut last = None;
        self.rest().for_each(|item, slot| match item {
            Item::Internal(_) => f(item, slot),
            Item::Child(_) => last = Some((item, slot)),
        });
        for (slot, byte) in self.children().iter().zip(0..) {
            f(Item::Child(byte), slot);
        }
        if let Some((item, slot)) = last {
            f(item, slot);
        }
    }
}

impl Items for FullRef<'_> {
    fn has_internals(&self) -> bool {
        self.rest().has_internals()
    }

    fn has_internal(&self, index: u8) -> bool {
        self.rest().has_internal(index)
    }

    fn next_internal(&self, from: u32, end: u32) -> Option<u32> {
        self.rest().next_internal(from, end)
    }

    fn next_child(&self, from: u32) -> Option<u32> {
        let array = self.children().get(from as usize..);
        match array
            .unwrap_or(&[])
            .iter()
            .position(|slot| slot.raw().is_taken())
        {
            Some(at) => Some(from + at as u32),
            None => self.rest().next_child(from.max(REST.into())),
        }
    }
}

/// Writes the array of a full node into a fresh block; `slot` gives the content of the slot of each
/// byte below 255, `rest` is the packed node.
///
/// # Safety
///
/// The block has the [`LAYOUT`], and is nobody else's. `rest` is an initialised packed node.
pub(super) unsafe fn write(block: NonNull<u8>, rest: NonNull<u8>, slot: impl Fn(u8) -> Raw) {
    let at = block.cast::<Slot>();
    for byte in 0..=u8::MAX {
        let raw = if byte == REST {
            // SAFETY: by the contract.
            unsafe { Raw::node(rest, Kind::Packed) }
        } else {
            slot(byte)
        };
        // SAFETY: by the contract the block is ours, and has 256 slots.
        unsafe { at.add(byte.into()).write(Slot::new(raw)) };
    }
}
