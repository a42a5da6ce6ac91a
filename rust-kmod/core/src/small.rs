// SPDX-License-Identifier: GPL-2.0
//! Small nodes: up to six items, each named by a byte, and the bytes that path compression skips.
//! Two or three items and no skipped bytes take 32 bytes, six take 64.
//!
//! ```text
//! 0   keys      children's bytes in ascending order, then internal prefixes' base indexes in
//!               descending order: 6 bytes
//! 6   counts    children | internal prefixes << 4
//! 7   skip      number of skipped bytes, 0 to 255
//! 8   slots     one for each key
//! ..  skipped   the bytes
//! ```
//!
//! Only slots change after publication. Only small nodes have skipped bytes: where path compression
//! skips bytes above a larger node, a small one with a single item is in front of it. So splitting
//! or joining skips never copies a large node.

use super::{
    entry::EntryRef,
    item::Item,
    slot::{Raw, Slot, NODE_ALIGN},
    stride::base_index,
};
use core::{alloc::Layout, marker::PhantomData, mem::size_of, ptr::NonNull, slice};

/// The most items of a small node.
#[cfg(not(loom))]
pub(super) const SMALL: usize = 6;
/// Few, so that a model has all kinds of nodes.
#[cfg(loom)]
pub(super) const SMALL: usize = 2;

/// The first word of a small node; the byte at `i` above is bits 8 * i to 8 * i + 7.
#[derive(Clone, Copy)]
struct Keys(u64);

const EACH: u64 = 0x0101_0101_0101_0101;

impl Keys {
    #[inline]
    fn children(self) -> usize {
        (self.0 >> 48 & 15) as usize
    }

    #[inline]
    fn internals(self) -> usize {
        (self.0 >> 52 & 15) as usize
    }

    #[inline]
    fn skip(self) -> usize {
        (self.0 >> 56) as usize
    }

    #[inline]
    fn key(self, i: usize) -> u8 {
        (self.0 >> (8 * (i & 7))) as u8
    }

    /// Which child `byte` leads to.
    #[inline]
    fn child(self, byte: u8) -> Option<usize> {
        // The lowest bit is the top bit of the first byte that is equal; those above may be wrong.
        let differing = self.0 ^ (EACH * u64::from(byte));
        let equal = differing.wrapping_sub(EACH) & !differing & (EACH << 7);
        let equal = equal & ((1 << (8 * self.children())) - 1);
        (equal != 0).then_some((equal.trailing_zeros() / 8) as usize)
    }
}

/// The layout of a node with this many items and skipped bytes.
pub(super) fn layout(items: usize, skip: usize) -> Layout {
    let size = size_of::<Keys>() + items * size_of::<Slot>() + skip;
    // SAFETY: the alignment is a power of two; at most 8 + 6 * 8 + 255 bytes (slots are larger in
    // the model checker, far from isize::MAX).
    unsafe { Layout::from_size_align_unchecked(size, NODE_ALIGN) }
}

/// A small node that stays readable for `'a`.
///
/// # Invariants
///
/// The pointer is to a block that [`write`] filled, and of the block only slots are written during
/// `'a`.
#[derive(Clone, Copy)]
pub(super) struct SmallRef<'a>(NonNull<u8>, PhantomData<&'a Slot>);

impl<'a> SmallRef<'a> {
    /// # Safety
    ///
    /// The type's invariants hold for `'a`.
    #[inline]
    pub(super) unsafe fn new(ptr: NonNull<u8>) -> Self {
        // INVARIANT: passed on to the caller.
        Self(ptr, PhantomData)
    }

    pub(super) fn ptr(self) -> NonNull<u8> {
        self.0
    }

    #[inline]
    fn keys(self) -> Keys {
        // SAFETY: by the invariants the block begins with the keys, which nobody writes.
        unsafe { self.0.cast::<Keys>().read() }
    }

    pub(super) fn len(self) -> usize {
        self.keys().children() + self.keys().internals()
    }

    #[inline]
    pub(super) fn slots(self) -> &'a [Slot] {
        // SAFETY: by the invariants that many slots follow the keys, which are only written as
        // atomics.
        unsafe {
            slice::from_raw_parts(
                self.0.add(size_of::<Keys>()).cast::<Slot>().as_ptr(),
                self.len(),
            )
        }
    }

    pub(super) fn layout(self) -> Layout {
        layout(self.len(), self.keys().skip())
    }

    /// The bytes between the byte that leads here and the one that this node looks at.
    #[inline]
    pub(super) fn skip(self) -> &'a [u8] {
        let len = self.keys().skip();
        if len == 0 {
            return &[];
        }
        let offset = size_of::<Keys>() + self.len() * size_of::<Slot>();
        // SAFETY: by the invariants that many bytes follow the slots, which nobody writes.
        unsafe { slice::from_raw_parts(self.0.add(offset).as_ptr(), len) }
    }

    /// The slot of the child that `byte` leads to.
    #[inline]
    pub(super) fn child(self, byte: u8) -> Option<&'a Slot> {
        let i = self.keys().child(byte)?;
        // SAFETY: by the invariants each child has a slot, and they come first; slots are only
        // written as atomics.
        Some(unsafe { self.0.add(size_of::<Keys>()).cast::<Slot>().add(i).as_ref() })
    }

    /// The slot of the internal prefix with this base index.
    pub(super) fn internal(self, index: u8) -> Option<&'a Slot> {
        let keys = self.keys();
        (keys.children()..self.len())
            .find(|i| keys.key(*i) == index)
            .and_then(|i| self.slots().get(i))
    }

    /// The longest internal prefix of at most `len` bits that covers `byte`.
    pub(super) fn cover(self, byte: u8, len: u32) -> Option<EntryRef<'a>> {
        let keys = self.keys();
        (keys.children()..self.len()).find_map(|i| {
            let index = keys.key(i);
            let bits = index.checked_ilog2()?;
            if bits > len || index != base_index(byte, bits) {
                return None;
            }
            self.slots().get(i)?.entry()
        })
    }

    /// Calls `f` with each item, vacant or not, and its slot, in order of their numbers.
    pub(super) fn for_each(self, mut f: impl FnMut(Item, &'a Slot)) {
        let (children, slots) = (self.keys().children(), self.slots());
        let order = (children..slots.len()).rev().chain(0..children);
        order.for_each(|i| f(self.item(i), &slots[i]));
    }

    /// The number of the next item in post-order, see `stride::following`; 0: no more.
    pub(super) fn following(self, after: u32) -> u32 {
        let keys = self.keys();
        if keys.internals() == 0 {
            let last = after.checked_ilog2().map_or(0, |len| 256 + end(after, len));
            let mut children = (0..keys.children()).map(|i| Item::Child(keys.key(i)).number());
            return children.find(|number| *number > last).unwrap_or(0);
        }
        let from = post_order(after);
        let numbers = (0..self.len()).map(|i| self.item(i).number());
        let places = numbers.map(|number| (post_order(number), number));
        let later = places.filter(|(place, _)| *place > from);
        later.min().map_or(0, |(_, number)| number)
    }

    /// The item of slot `i`.
    fn item(self, i: usize) -> Item {
        let keys = self.keys();
        if i < keys.children() {
            Item::Child(keys.key(i))
        } else {
            Item::Internal(keys.key(i))
        }
    }
}

/// The last byte that an item of `len` bits covers.
fn end(number: u32, len: u32) -> u32 {
    ((number - (1 << len) + 1) << (8 - len)) - 1
}

/// Orders item numbers: by the last byte that is covered, longer prefixes first; 0 before all.
fn post_order(number: u32) -> u32 {
    let Some(len) = number.checked_ilog2() else {
        return 0;
    };
    1 + 9 * end(number, len) + (8 - len)
}

/// Writes a small node into a fresh block. `fill` calls its argument with each item and the content
/// of its slot, in order of their numbers: `internals` and `children` of them. `skip` comes in
/// parts, at most 255 bytes in all.
///
/// # Safety
///
/// The block has the [`layout`] for that, and is nobody else's. `fill` makes that many calls.
pub(super) unsafe fn write(
    block: NonNull<u8>,
    (internals, children): (usize, usize),
    skip: &[&[u8]],
    fill: impl FnOnce(&mut dyn FnMut(Item, Raw)),
) {
    let skip_len: usize = skip.iter().map(|part| part.len()).sum();
    let mut keys = (children | internals << 4) as u64 | (skip_len as u64) << 8;
    keys <<= 48;
    let len = internals + children;
    // SAFETY: by the contract the slots begin there, inside the block.
    let slots = unsafe { block.add(size_of::<Keys>()) }.cast::<Slot>();
    let mut number = 0;
    fill(&mut |item, raw| {
        let (at, key) = match item {
            Item::Internal(index) => (len - 1 - number, index),
            Item::Child(byte) => (number - internals, byte),
        };
        number += 1;
        keys |= u64::from(key) << (8 * at);
        // SAFETY: by the contract `at` is below `len`, and the block has that many slots.
        unsafe { slots.add(at).write(Slot::new(raw)) };
    });
    debug_assert_eq!(number, len, "each slot is written");
    // SAFETY: the block begins with the keys, and has a place for the skipped bytes.
    unsafe {
        block.cast::<Keys>().write(Keys(keys));
        let mut to = slots.add(len).cast::<u8>();
        for byte in skip.iter().copied().flatten() {
            to.write(*byte);
            to = to.add(1);
        }
    }
}
