// SPDX-License-Identifier: GPL-2.0
//! New nodes: a pair of items under a new node, or a copy of a node with one item more or less or
//! with another skip.
//!
//! Everything here happens before publication.

use super::{
    groups::PACKED,
    memory::Memory,
    node::NodeRef,
    plan::{Filler, Plan, Shape},
    slot::Raw,
    stride::{base_index, set, test, unset},
};
use core::{alloc::Layout, ptr::NonNull};

/// A place within a node.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Item {
    /// Base index of a prefix that ends in the node.
    Internal(u8),
    /// Byte under which the rest is.
    Child(u8),
}

impl Item {
    /// Where, in a node at `depth`, something with this data and prefixlen (at least 8 * depth)
    /// belongs.
    pub(super) fn of(data: &[u8], prefixlen: u32, depth: usize) -> Self {
        let byte = data.get(depth).copied().unwrap_or(0);
        if (prefixlen / 8) as usize == depth {
            Item::Internal(base_index(byte, prefixlen % 8))
        } else {
            Item::Child(byte)
        }
    }

    /// Its number among a node's 512 possible items: internal ones come first.
    #[inline]
    pub(super) fn number(self) -> u16 {
        match self {
            Item::Internal(index) => u16::from(index),
            Item::Child(byte) => 256 + u16::from(byte),
        }
    }

    /// The item with this number.
    pub(super) fn numbered(number: u32) -> Self {
        let index = (number & 255) as u8;
        if number < 256 {
            Item::Internal(index)
        } else {
            Item::Child(index)
        }
    }

    fn is_in(self, shape: &Shape) -> bool {
        match self {
            Item::Internal(index) => test(&shape.internal, index),
            Item::Child(byte) => test(&shape.child, byte),
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
    /// This new item, which the node does not have.
    Add(Item, Raw),
    /// Without this item, which the node has.
    Drop(Item),
}

impl Edit {
    fn apply(self, shape: &mut Shape) {
        match self {
            Edit::Keep => {}
            Edit::Add(item, _) => item.include(shape),
            Edit::Drop(item) => item.exclude(shape),
        }
    }
}

/// A node that no reader knows yet.
pub(super) struct NewNode {
    block: NonNull<u8>,
    layout: Layout,
    /// Whether it has a single item, as the copy of a node that has.
    lone: bool,
}

impl NewNode {
    /// Allocates and writes a node; `fill` pushes its slots in order.
    fn make<M: Memory>(
        mem: &mut M,
        shape: &Shape,
        skip: &[&[u8]],
        fill: impl FnOnce(&mut Filler<'_>),
    ) -> Option<Self> {
        let plan = Plan::new::<M>(shape, skip);
        let (layout, lone) = (plan.layout(), plan.items() < 2);
        let block = mem.alloc(layout)?;
        // SAFETY: the block is ours, and has the plan's layout.
        unsafe { plan.write(block, fill) };
        Some(Self {
            block,
            layout,
            lone,
        })
    }

    pub(super) fn is_lone(&self) -> bool {
        self.lone
    }

    pub(super) fn size<M: Memory>(&self) -> u64 {
        M::size_of(self.layout) as u64
    }

    /// For the slot that is to lead here.
    pub(super) fn raw(&self) -> Raw {
        // SAFETY: `make` wrote a whole node into the block.
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
    let (first, second) = if a.0.number() < b.0.number() {
        (a.1, b.1)
    } else {
        (b.1, a.1)
    };
    NewNode::make(mem, &shape, &[skip], |slots| {
        slots.push(first);
        slots.push(second);
    })
}

/// A copy of `from` with `edit` done and `skip` (in parts) for its skipped bytes. Without memory,
/// `None`. Vacant slots are left out.
pub(super) fn copy(
    mem: &mut impl Memory,
    from: NodeRef<'_>,
    edit: Edit,
    skip: &[&[u8]],
) -> Option<NewNode> {
    let slots = from.slots();
    // With more items, the copy may have groups, or its slots another order.
    if from.groups().is_some() || slots.len() >= PACKED || from.live() < slots.len() {
        return copy_live(mem, from, edit, skip);
    }
    let mut shape = from.shape();
    let (at, dropped, added) = match edit {
        Edit::Keep => (slots.len(), 0, None),
        Edit::Add(item, raw) => (from.rank(item), 0, Some(raw)),
        Edit::Drop(item) => (from.rank(item), 1, None),
    };
    edit.apply(&mut shape);
    let (before, after) = slots.split_at_checked(at)?;
    NewNode::make(mem, &shape, skip, |to| {
        to.extend(before);
        if let Some(raw) = added {
            to.push(raw);
        }
        to.extend(after.get(dropped..).unwrap_or(&[]));
    })
}

/// [`copy`], item by item.
#[cold]
fn copy_live(
    mem: &mut impl Memory,
    from: NodeRef<'_>,
    edit: Edit,
    skip: &[&[u8]],
) -> Option<NewNode> {
    let mut shape = from.shape();
    for (item, _) in from.items().filter(|(_, slot)| slot.raw().is_vacant()) {
        item.exclude(&mut shape);
    }
    edit.apply(&mut shape);
    let (new, mut added) = match edit {
        Edit::Add(item, raw) => (item.number(), Some(raw)),
        _ => (u16::MAX, None),
    };
    NewNode::make(mem, &shape, skip, |to| {
        for (item, slot) in from.items() {
            if item.number() >= new {
                added.take().into_iter().for_each(|raw| to.push(raw));
            }
            if item.number() != new && item.is_in(&shape) {
                to.push(slot.raw());
            }
        }
        added.take().into_iter().for_each(|raw| to.push(raw));
    })
}
