// SPDX-License-Identifier: GPL-2.0
//! New nodes: a pair of items under a new node, or a copy of a node, perhaps with one item more.
//! Vacant items are left out of a copy, which is of the kind that its number of items asks for.
//!
//! Everything here happens before publication.

use super::{
    full,
    item::Item,
    memory::Memory,
    node::{Link, NodeRef},
    packed::{self, PackedRef, Shape, PACKED},
    slot::{Kind, Raw, Slot},
    small::{self, SMALL},
    stride::{longest, set},
};
use core::{alloc::Layout, iter, ptr::NonNull};

/// Skipped bytes, in up to three parts that follow each other.
pub(super) type Skip<'s> = [&'s [u8]; 3];

/// A block that is ours.
type Block = (NonNull<u8>, Layout);

/// A node that no reader knows yet.
pub(super) struct NewNode {
    raw: Raw,
    /// With a full node's packed one, and a small one in front.
    blocks: [Option<Block>; 3],
}

impl Item {
    fn include(self, shape: &mut Shape) {
        match self {
            Item::Internal(index) => set(&mut shape.internal, index),
            Item::Child(byte) => set(&mut shape.child, byte),
        }
    }
}

impl NewNode {
    pub(super) fn size<M: Memory>(&self) -> u64 {
        let blocks = self.blocks.iter().flatten();
        blocks.map(|(_, layout)| M::size_of(*layout) as u64).sum()
    }

    /// For the slot that is to lead here.
    pub(super) fn raw(&self) -> Raw {
        self.raw
    }

    /// Whether it is wasteful from the start, as only small nodes are.
    pub(super) fn is_wasteful<M: Memory>(&self) -> bool {
        // SAFETY: a node of our own, which nobody frees before we do.
        match unsafe { Link::to(self.raw) } {
            Link::Node(node @ NodeRef::Small(_)) => node.is_wasteful::<M>(),
            _ => false,
        }
    }

    /// Gives the blocks back unpublished.
    pub(super) fn free(self, mem: &mut impl Memory) {
        for (block, layout) in self.blocks.into_iter().flatten() {
            // SAFETY: allocated with this layout, never published.
            unsafe { mem.free(block, layout) }
        }
    }

    /// With `items` in the order of their numbers, of which `shape` tells which there are.
    fn small(
        mem: &mut impl Memory,
        skip: &[&[u8]],
        shape: &Shape,
        items: impl Iterator<Item = (Item, Raw)>,
    ) -> Option<Self> {
        let (internals, children) = shape.counts();
        let skip_len = skip.iter().map(|part| part.len()).sum();
        let layout = small::layout(internals + children, skip_len);
        let block = mem.alloc(layout)?;
        // SAFETY: the block is ours and has the layout; the shape is that of the items, which are
        // at most SMALL, and no key has more than 255 bytes to skip.
        let raw = unsafe {
            small::write(block, (internals, children), skip, items);
            Raw::node(block, Kind::Small)
        };
        Some(Self {
            raw,
            blocks: [Some((block, layout)), None, None],
        })
    }

    /// With what `slots` hold: internal ones first, then children, both by index.
    fn packed(
        mem: &mut impl Memory,
        shape: &Shape,
        slots: impl Iterator<Item = Raw>,
    ) -> Option<Self> {
        let (internals, children) = shape.counts();
        let layout = packed::layout(internals + children);
        let block = mem.alloc(layout)?;
        // SAFETY: the block is ours and has the layout; callers have at most PACKED items, or no
        // child but 255.
        let raw = unsafe {
            packed::write(block, shape, slots);
            Raw::node(block, Kind::Packed)
        };
        Some(Self {
            raw,
            blocks: [Some((block, layout)), None, None],
        })
    }

    fn full(
        mem: &mut impl Memory,
        shape: &Shape,
        items: impl Iterator<Item = (Item, Raw)> + Clone,
    ) -> Option<Self> {
        let in_rest = |(item, _): &(Item, Raw)| matches!(item, Item::Internal(_) | Item::Child(255));
        let mut rest_shape = Shape {
            internal: shape.internal,
            ..Shape::EMPTY
        };
        let rest_items = items.clone().filter(in_rest);
        rest_items.clone().for_each(|(item, _)| item.include(&mut rest_shape));
        let mut new = Self::packed(mem, &rest_shape, rest_items.map(|(_, raw)| raw))?;
        let rest_block = new.blocks[0].map(|(block, _)| block)?;
        let Some(block) = mem.alloc(full::LAYOUT) else {
            new.free(mem);
            return None;
        };
        // SAFETY: `packed` has just written it, and nobody else knows it.
        let rest = unsafe { PackedRef::new(rest_block) };
        let pushed = |byte| rest.cover(byte, 7).map_or(Raw::VACANT, |entry| entry.pushed());
        // SAFETY: the block is ours and has the layout; `rest_block` is a packed node.
        unsafe { full::write(block, rest_block, pushed) };
        let mut children = 0;
        // SAFETY: `write` has filled the array, which has as many slots as there are bytes.
        let array = |byte: u8| unsafe { block.cast::<Slot>().add(byte.into()).as_ref() };
        for (item, raw) in items.filter(|item| !in_rest(item)) {
            if let Item::Child(byte) = item {
                array(byte).publish(raw);
                children += 1;
            }
        }
        rest.set_in_array(children);
        // SAFETY: `block` is the array of a full node.
        new.raw = unsafe { Raw::node(block, Kind::Full) };
        new.blocks[1] = Some((block, full::LAYOUT));
        Some(new)
    }

    /// Puts a small node with nothing but `skip` in front, if there is anything to skip.
    fn behind(mut self, mem: &mut impl Memory, mut skip: Skip<'_>) -> Option<Self> {
        let last = skip.iter_mut().rev().find_map(|part| {
            let (last, before) = part.split_last()?;
            *part = before;
            Some(*last)
        });
        let Some(last) = last else {
            return Some(self);
        };
        let item = Item::Child(last);
        let mut shape = Shape::EMPTY;
        item.include(&mut shape);
        let Some(front) = Self::small(mem, &skip, &shape, iter::once((item, self.raw))) else {
            self.free(mem);
            return None;
        };
        self.raw = front.raw;
        self.blocks[2] = front.blocks[0];
        Some(self)
    }
}

/// A node with `items`, two or more or one that is a node, in the order of their numbers.
fn make(
    mem: &mut impl Memory,
    skip: Skip<'_>,
    items: impl Iterator<Item = (Item, Raw)> + Clone,
) -> Option<NewNode> {
    let mut shape = Shape::EMPTY;
    items.clone().for_each(|(item, _)| item.include(&mut shape));
    let (internals, children) = shape.counts();
    let flagged = |(item, raw): (Item, Raw)| match item {
        Item::Child(byte) => (item, raw.with_fallback(longest(&shape.internal, byte) != 0)),
        Item::Internal(_) => (item, raw),
    };
    let items = items.map(flagged);
    match internals + children {
        0..=SMALL => NewNode::small(mem, &skip, &shape, items),
        count => {
            let new = if count <= PACKED {
                NewNode::packed(mem, &shape, items.map(|(_, raw)| raw))
            } else {
                NewNode::full(mem, &shape, items)
            };
            new?.behind(mem, skip)
        }
    }
}

/// A node with two different items.
pub(super) fn pair(
    mem: &mut impl Memory,
    skip: &[u8],
    a: (Item, Raw),
    b: (Item, Raw),
) -> Option<NewNode> {
    let (first, second) = if a.0.number() < b.0.number() {
        (a, b)
    } else {
        (b, a)
    };
    make(mem, [skip, &[], &[]], [first, second].into_iter())
}

/// A node with nothing but one child, which is a node.
pub(super) fn front(
    mem: &mut impl Memory,
    skip: &[u8],
    byte: u8,
    child: NodeRef<'_>,
) -> Option<NewNode> {
    make(mem, [skip, &[], &[]], iter::once((Item::Child(byte), child.raw())))
}

/// A copy of `from`, with an item that it does not have if there is one to add, and `skip` for its
/// skipped bytes.
pub(super) fn copy(
    mem: &mut impl Memory,
    from: NodeRef<'_>,
    added: Option<(Item, Raw)>,
    skip: Skip<'_>,
) -> Option<NewNode> {
    if let (NodeRef::Packed(node), Some(added)) = (from, added) {
        if node.len() < PACKED && from.live() == node.len() {
            return copy_packed(mem, node, added)?.behind(mem, skip);
        }
    }
    make(mem, skip, merged(from, added))
}

/// A copy of the packed node of a full one, with an item that it does not have if there is one to
/// add.
pub(super) fn copy_rest(
    mem: &mut impl Memory,
    from: PackedRef<'_>,
    added: Option<(Item, Raw)>,
) -> Option<NewNode> {
    let items = merged(NodeRef::Packed(from), added);
    let mut shape = Shape::EMPTY;
    items.clone().for_each(|(item, _)| item.include(&mut shape));
    let flagged = |(item, raw): (Item, Raw)| match item {
        Item::Child(byte) => raw.with_fallback(longest(&shape.internal, byte) != 0),
        Item::Internal(_) => raw,
    };
    let new = NewNode::packed(mem, &shape, items.map(flagged))?;
    if let Some((block, _)) = new.blocks[0] {
        // SAFETY: `packed` has just written it, and nobody else knows it.
        unsafe { PackedRef::new(block) }.set_in_array(from.in_array());
    }
    Some(new)
}

/// The items of `node` that are not vacant, and `added`, by number.
fn merged<'a>(
    node: NodeRef<'a>,
    added: Option<(Item, Raw)>,
) -> impl Iterator<Item = (Item, Raw)> + Clone + 'a {
    let items = node.items().map(|(item, slot)| (item, slot.raw()));
    let new = added.map_or(u32::MAX, |(item, _)| item.number());
    let before = items.clone().take_while(move |(item, _)| item.number() < new);
    let after = items.skip_while(move |(item, _)| item.number() < new);
    before.chain(added).chain(after)
}

/// [`copy`] of a packed node with no vacant slot, to another one: most of the slots as they are.
fn copy_packed(
    mem: &mut impl Memory,
    from: PackedRef<'_>,
    (item, raw): (Item, Raw),
) -> Option<NewNode> {
    let mut shape = from.shape();
    item.include(&mut shape);
    let (rank, raw) = match item {
        Item::Internal(index) => (from.internal_rank(index), raw),
        Item::Child(byte) => {
            let covered = longest(&shape.internal, byte) != 0;
            (from.child_rank(byte), raw.with_fallback(covered))
        }
    };
    let (before, after) = from.slots().split_at_checked(rank)?;
    let slots = before.iter().map(Slot::raw);
    let slots = slots.chain(iter::once(raw)).chain(after.iter().map(Slot::raw));
    let new = NewNode::packed(mem, &shape, slots)?;
    if let (Item::Internal(index), Some((block, _))) = (item, new.blocks[0]) {
        // SAFETY: `packed` has just written it, and nobody else knows it.
        NodeRef::Packed(unsafe { PackedRef::new(block) }).refresh(index);
    }
    Some(new)
}
