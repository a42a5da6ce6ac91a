// SPDX-License-Identifier: GPL-2.0
//! New nodes: a pair of items under a new node, or a copy of a node with one item more or less or with another skip.
//!
//! Everything here happens before publication. A copy leaves vacant slots behind.

use super::{
    memory::Memory,
    node::{self, NodeRef, Shape},
    slot::{Raw, Slot},
    stride::{base_index, set, unset},
};
use core::{alloc::Layout, ptr::NonNull, slice};

/// A place within a node.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Item {
    /// Base index of a prefix that ends in the node.
    Internal(u8),
    /// Byte under which the rest is.
    Child(u8),
}

impl Item {
    /// Where, in a node at `depth`, something with this data and prefixlen (at least 8 * depth) belongs.
    pub(super) fn of(data: &[u8], prefixlen: u32, depth: usize) -> Self {
        let byte = data.get(depth).copied().unwrap_or(0);
        if (prefixlen / 8) as usize == depth {
            Item::Internal(base_index(byte, prefixlen % 8))
        } else {
            Item::Child(byte)
        }
    }

    /// Position among a node's items in slot order.
    pub(super) fn rank(self) -> u16 {
        match self {
            Item::Internal(index) => u16::from(index),
            Item::Child(byte) => 256 + u16::from(byte),
        }
    }

    /// The node's slot for this item, if it has one.
    pub(super) fn slot_in(self, node: NodeRef<'_>) -> Option<&Slot> {
        match self {
            Item::Internal(index) => node.internal(index),
            Item::Child(byte) => node.child(byte),
        }
    }

    fn include(self, shape: &mut Shape) {
        match self {
            Item::Internal(index) => set(&mut shape.internal, index),
            Item::Child(byte) => set(&mut shape.child, byte),
        }
    }

    fn exclude(self, shape: &mut Shape) {
        match self {
            Item::Internal(index) => unset(&mut shape.internal, index),
            Item::Child(byte) => unset(&mut shape.child, byte),
        }
    }
}

/// What a copy changes.
#[derive(Clone, Copy)]
pub(super) enum Edit {
    /// Nothing.
    Keep,
    /// This new item, which the node does not have, or whose slot is vacant.
    Add(Item, Raw),
    /// Without this item, which the node has.
    Drop(Item),
}

/// A node that no reader knows yet.
pub(super) struct NewNode {
    block: NonNull<u8>,
    layout: Layout,
}

impl NewNode {
    fn alloc(mem: &mut impl Memory, shape: &Shape, skip: &[&[u8]]) -> Option<Self> {
        let layout = node::layout(shape.slots(), skip.iter().map(|part| part.len()).sum());
        Some(Self {
            block: mem.alloc(layout)?,
            layout,
        })
    }

    pub(super) fn size<M: Memory>(&self) -> u64 {
        M::size_of(self.layout) as u64
    }

    /// For the slot that is to lead here.
    pub(super) fn raw(&self) -> Raw {
        // SAFETY: both makers below wrote a whole node into the block.
        unsafe { Raw::node(self.block) }
    }

    /// Gives the block back unpublished.
    pub(super) fn free(self, mem: &mut impl Memory) {
        // SAFETY: allocated with this layout, never published.
        unsafe { mem.free(self.block, self.layout) }
    }
}

/// A node at `depth` with two different items.
pub(super) fn pair(
    mem: &mut impl Memory,
    depth: usize,
    skip: &[u8],
    a: (Item, Raw),
    b: (Item, Raw),
) -> Option<NewNode> {
    let mut shape = Shape {
        depth: depth as u8,
        internal: [0; 4],
        child: [0; 4],
    };
    a.0.include(&mut shape);
    b.0.include(&mut shape);
    let new = NewNode::alloc(mem, &shape, &[skip])?;
    let slots = if a.0.rank() < b.0.rank() {
        [a.1, b.1]
    } else {
        [b.1, a.1]
    };
    // SAFETY: the block was allocated for this shape and skip; the two values are in slot order.
    unsafe { node::write(new.block, &shape, slots.into_iter(), &[skip]) };
    Some(new)
}

/// A copy of `from` with `edit` done, vacant slots left out, and `skip` (in parts) for its skipped bytes.
pub(super) fn copy(
    mem: &mut impl Memory,
    from: NodeRef<'_>,
    edit: Edit,
    skip: &[&[u8]],
) -> Option<NewNode> {
    let old = from.shape();
    let mut shape = old;
    let mut slots = from.slots().iter();
    if slots.clone().any(|slot| slot.raw().is_vacant()) {
        let live = |bits: &mut u64, bit: u64| {
            if slots.next().is_some_and(|slot| slot.raw().is_vacant()) {
                *bits &= !bit;
            }
        };
        for_each_bit(&mut shape, live);
    }
    let added = match edit {
        Edit::Keep => Raw::VACANT,
        Edit::Add(item, raw) => {
            item.include(&mut shape);
            raw
        }
        Edit::Drop(item) => {
            item.exclude(&mut shape);
            Raw::VACANT
        }
    };
    let new = NewNode::alloc(mem, &shape, skip)?;
    let slots = Merge {
        old: &old,
        new: &shape,
        word: 0,
        bits: 0,
        slots: from.slots().iter(),
        added,
    };
    // SAFETY: the block was allocated for this shape and skip; `Merge` yields a value for each bit of the shape, in order.
    unsafe { node::write(new.block, &shape, slots, skip) };
    Some(new)
}

/// Calls `f` for each set bit of a shape, in slot order, with the word that holds it.
fn for_each_bit(shape: &mut Shape, mut f: impl FnMut(&mut u64, u64)) {
    for word in shape.internal.iter_mut().chain(&mut shape.child) {
        let mut bits = *word;
        while bits != 0 {
            f(word, bits & bits.wrapping_neg());
            bits &= bits - 1;
        }
    }
}

/// The slots of a copy, in order: those of the old node whose bits stay, and the added one.
struct Merge<'a> {
    old: &'a Shape,
    new: &'a Shape,
    word: usize,
    bits: u64,
    slots: slice::Iter<'a, Slot>,
    added: Raw,
}

impl Iterator for Merge<'_> {
    type Item = Raw;

    fn next(&mut self) -> Option<Raw> {
        loop {
            while self.bits == 0 {
                let (old, new) = (self.old.word(self.word)?, self.new.word(self.word)?);
                self.bits = old | new;
                self.word += 1;
            }
            let bit = self.bits & self.bits.wrapping_neg();
            self.bits &= self.bits - 1;
            let at = self.word - 1;
            let old = if self.old.word(at)? & bit != 0 {
                Some(self.slots.next()?.raw())
            } else {
                None
            };
            if self.new.word(at)? & bit != 0 {
                return Some(match old {
                    Some(raw) if !raw.is_vacant() => raw,
                    _ => self.added,
                });
            }
        }
    }
}
