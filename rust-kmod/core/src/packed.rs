// SPDX-License-Identifier: GPL-2.0
//! Packed nodes: a bitmap of 512 items, and a slot for each bit.
//!
//! ```text
//! 0   ranks      see Ranks
//! 8   child      bitmap of the bytes that lead to a child
//! 40  internal   bitmap of the prefixes that end in this stride, by base index
//! 72  slots      one for each bit: internal ones first, then children, both by index
//! ```
//!
//! Only slots change after publication. A full node has a packed one for what its array does not
//! hold, see `full.rs`.

use super::{
    entry::EntryRef,
    item::Item,
    slot::{Raw, Slot, NODE_ALIGN},
    stride::{base_index, below, is_empty, longest, longest_from, next_in, test, Bitmap, Items},
};
use core::{
    alloc::Layout,
    marker::PhantomData,
    mem::size_of,
    ptr::NonNull,
    slice,
    sync::atomic::{AtomicU8, Ordering::Relaxed},
};

/// The most items of a packed node that is not part of a full one: what fits 512 bytes.
#[cfg(not(loom))]
pub(super) const PACKED: usize = 55;
/// Few, so that a model has all kinds of nodes.
#[cfg(loom)]
pub(super) const PACKED: usize = 5;

/// Which items a node has.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) internal: Bitmap,
    pub(super) child: Bitmap,
}

impl Shape {
    pub(super) const EMPTY: Shape = Shape {
        internal: [0; 4],
        child: [0; 4],
    };

    /// How many internal prefixes and children there are.
    pub(super) fn counts(&self) -> (usize, usize) {
        (ones(&self.internal), ones(&self.child))
    }

    /// How many items there are.
    pub(super) fn len(&self) -> usize {
        let (internals, children) = self.counts();
        internals + children
    }

    /// 64 items each, in order of their numbers.
    fn words(&self) -> impl Iterator<Item = u64> + '_ {
        self.internal.iter().chain(&self.child).copied()
    }

    /// Calls `f` with each item, in order of their numbers.
    pub(super) fn for_each(&self, mut f: impl FnMut(Item)) {
        for (word, mut bits) in self.words().enumerate() {
            while bits != 0 {
                f(Item::numbered(64 * word as u32 + bits.trailing_zeros()));
                bits &= bits - 1;
            }
        }
    }
}

/// Sets up to `count` bits that are clear, from `from` on. Returns how many.
pub(super) fn set_next(map: &mut Bitmap, from: u8, count: usize) -> usize {
    let (mut left, mut mask) = (count, u64::MAX << (from & 63));
    for word in map.iter_mut().skip((from >> 6).into()) {
        // One run of clear bits after the other.
        let mut clear = !*word & mask;
        while clear != 0 && left > 0 {
            let start = clear.trailing_zeros();
            let len = (clear >> start).trailing_ones().min(left as u32);
            let run = u64::MAX >> (64 - len) << start;
            *word |= run;
            clear &= !run;
            left -= len as usize;
        }
        mask = u64::MAX;
    }
    count - left
}

fn ones(map: &Bitmap) -> usize {
    map.iter().map(|word| word.count_ones() as usize).sum()
}

/// With these, the position of any slot is one of them plus one popcount.
#[repr(C)]
struct Ranks {
    /// For `clear`: how many slots of the array are left, if the node is part of a full one.
    left: AtomicU8,
    /// Bits of the internal bitmap before its words 1, 2, 3.
    internals_before: [u8; 3],
    /// Slots before those of each word of the child bitmap: at most 255, since a node with more
    /// than 55 items has no child but 255.
    children_before: [u8; 4],
}

impl Ranks {
    fn new(shape: &Shape) -> Self {
        let mut ranks = Self {
            left: AtomicU8::new(0),
            internals_before: [0; 3],
            children_before: [0; 4],
        };
        let mut count = 0;
        for (word, bits) in shape.internal.iter().enumerate() {
            if let Some(before) = word.checked_sub(1) {
                ranks.internals_before[before] = count;
            }
            count += bits.count_ones() as u8;
        }
        for (before, bits) in ranks.children_before.iter_mut().zip(&shape.child) {
            *before = count;
            count = count.wrapping_add(bits.count_ones() as u8);
        }
        ranks
    }
}

/// The fixed part of a block.
#[repr(C)]
struct Fixed {
    ranks: Ranks,
    child: Bitmap,
    internal: Bitmap,
}

/// The layout of a node with this many items.
pub(super) fn layout(items: usize) -> Layout {
    let size = size_of::<Fixed>() + items * size_of::<Slot>();
    // SAFETY: the alignment is a power of two; at most 72 + 256 * 8 bytes (slots are larger in the
    // model checker, far from isize::MAX).
    unsafe { Layout::from_size_align_unchecked(size, NODE_ALIGN) }
}

/// A packed node that stays readable for `'a`.
///
/// # Invariants
///
/// The pointer is to a block that [`write`] filled, and of the block only atomics are written
/// during `'a`.
#[derive(Clone, Copy)]
pub(super) struct PackedRef<'a>(NonNull<Fixed>, PhantomData<&'a Fixed>);

impl<'a> PackedRef<'a> {
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
    fn fixed(self) -> &'a Fixed {
        // SAFETY: by the invariants a Fixed, of which only an atomic is written during 'a.
        unsafe { self.0.as_ref() }
    }

    pub(super) fn shape(self) -> Shape {
        let Fixed {
            child, internal, ..
        } = *self.fixed();
        Shape { internal, child }
    }

    pub(super) fn len(self) -> usize {
        let fixed = self.fixed();
        usize::from(fixed.ranks.children_before[3]) + fixed.child[3].count_ones() as usize
    }

    #[inline]
    fn first_slot(self) -> NonNull<Slot> {
        // SAFETY: slots follow the fixed part within the block.
        unsafe { self.0.add(1).cast() }
    }

    pub(super) fn slots(self) -> &'a [Slot] {
        // SAFETY: by the invariants that many slots follow the fixed part, which are only written
        // as atomics.
        unsafe { slice::from_raw_parts(self.first_slot().as_ptr(), self.len()) }
    }

    pub(super) fn layout(self) -> Layout {
        layout(self.len())
    }

    /// How many slots come before that of `item`, whether or not the node has it.
    pub(super) fn rank(self, item: Item) -> usize {
        match item {
            Item::Internal(index) => self.internal_rank(index),
            Item::Child(byte) => self.child_rank(byte),
        }
    }

    #[inline]
    fn child_rank(self, byte: u8) -> usize {
        let Fixed { ranks, child, .. } = self.fixed();
        usize::from(ranks.children_before[(byte >> 6) as usize]) + below(child, byte)
    }

    fn internal_rank(self, index: u8) -> usize {
        let Fixed {
            ranks, internal, ..
        } = self.fixed();
        let before = match index >> 6 {
            0 => 0,
            word => ranks.internals_before[usize::from(word - 1)],
        };
        usize::from(before) + below(internal, index)
    }

    /// The slot of the child that `byte` leads to.
    #[inline]
    pub(super) fn child(self, byte: u8) -> Option<&'a Slot> {
        if !test(&self.fixed().child, byte) {
            return None;
        }
        // SAFETY: the rank of a set bit is below the number of bits, which is that of the slots;
        // they are only written as atomics.
        Some(unsafe { self.first_slot().add(self.child_rank(byte)).as_ref() })
    }

    /// The slot of the internal prefix with this base index.
    pub(super) fn internal(self, index: u8) -> Option<&'a Slot> {
        if !test(&self.fixed().internal, index) {
            return None;
        }
        // SAFETY: as in `child`.
        Some(unsafe { self.first_slot().add(self.internal_rank(index)).as_ref() })
    }

    /// The longest internal prefix of at most `len` bits that covers `byte`.
    pub(super) fn cover(self, byte: u8, len: u32) -> Option<EntryRef<'a>> {
        let internal = &self.fixed().internal;
        if is_empty(internal) {
            return None;
        }
        let mut index = if len == 7 {
            longest(internal, byte)
        } else {
            longest_from(internal, base_index(byte, len))
        };
        while index > 0 {
            let entry = self.internal(index).and_then(Slot::entry);
            if entry.is_some() {
                return entry;
            }
            index = longest_from(internal, index >> 1);
        }
        None
    }

    /// Calls `f` with each item, vacant or not, and its slot, in order of their numbers.
    pub(super) fn for_each(self, mut f: impl FnMut(Item, &'a Slot)) {
        let mut slots = self.slots().iter();
        self.shape().for_each(|item| {
            if let Some(slot) = slots.next() {
                f(item, slot);
            }
        });
    }

    /// The shape of the items that are not vacant. The writer only.
    pub(super) fn taken(self) -> Shape {
        let mut taken = self.shape();
        if self.slots().iter().all(|slot| slot.raw().is_taken()) {
            return taken;
        }
        let mut slots = self.slots().iter();
        for word in taken.internal.iter_mut().chain(&mut taken.child) {
            let mut bits = *word;
            while bits != 0 {
                let bit = bits & bits.wrapping_neg();
                bits ^= bit;
                if slots.next().is_none_or(|slot| !slot.raw().is_taken()) {
                    *word ^= bit;
                }
            }
        }
        taken
    }

    /// Writes the slots of a node of this shape: with the content that they have here, or vacant.
    ///
    /// # Safety
    ///
    /// A slot for each item of `shape` may be written at `to`, which nobody else knows.
    pub(super) unsafe fn copy_slots(self, shape: &Shape, mut to: NonNull<Slot>) {
        let mut slots = self.slots().iter();
        for (own, wanted) in self.shape().words().zip(shape.words()) {
            let mut bits = own | wanted;
            while bits != 0 {
                let bit = bits & bits.wrapping_neg();
                bits ^= bit;
                let slot = if own & bit != 0 { slots.next() } else { None };
                if wanted & bit != 0 {
                    let raw = slot.map_or(Raw::VACANT, Slot::raw);
                    // SAFETY: by the contract.
                    to = unsafe {
                        to.write(Slot::new(raw));
                        to.add(1)
                    };
                }
            }
        }
    }

    /// For `clear`: how many slots of the full node's array are left.
    pub(super) fn left(self) -> usize {
        self.fixed().ranks.left.load(Relaxed).into()
    }

    /// See [`left`](Self::left).
    pub(super) fn set_left(self, count: usize) {
        self.fixed().ranks.left.store(count as u8, Relaxed);
    }
}

impl Items for PackedRef<'_> {
    fn has_internals(&self) -> bool {
        !is_empty(&self.fixed().internal)
    }

    fn has_internal(&self, index: u8) -> bool {
        test(&self.fixed().internal, index)
    }

    fn next_internal(&self, from: u32, end: u32) -> Option<u32> {
        next_in(&self.fixed().internal, from, end)
    }

    fn next_child(&self, from: u32) -> Option<u32> {
        next_in(&self.fixed().child, from, 256)
    }
}

/// Writes a packed node into a fresh block, except for its slots, and returns where these begin:
/// internal ones first, then children, both by index.
///
/// # Safety
///
/// The block has the [`layout`] for the items of `shape`, and is nobody else's. There are at most
/// 255 internal prefixes, and children only with at most [`PACKED`] items, except for child 255.
pub(super) unsafe fn write(block: NonNull<u8>, shape: &Shape) -> NonNull<Slot> {
    let fixed = Fixed {
        ranks: Ranks::new(shape),
        child: shape.child,
        internal: shape.internal,
    };
    let at = block.cast::<Fixed>();
    // SAFETY: by the contract the block is ours, and its layout begins with a Fixed; slots follow.
    unsafe {
        at.write(fixed);
        at.add(1).cast()
    }
}
