// SPDX-License-Identifier: GPL-2.0
//! New nodes: a pair of items under a new node, or a copy of a node, perhaps with one item more.
//! Vacant items are left out of a copy, which is of the kind that its number of items asks for.
//!
//! Everything here happens before publication.

use super::{
    full::{self, FullRef},
    item::Item,
    memory::Memory,
    node::NodeRef,
    packed::{self, PackedRef, Shape, PACKED},
    slot::{Kind, Raw, Slot},
    small::{self, SMALL},
    stride::{longest, set, test},
};
use core::{alloc::Layout, ptr::NonNull};

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

    /// Gives the blocks back unpublished.
    pub(super) fn free(self, mem: &mut impl Memory) {
        for (block, layout) in self.blocks.into_iter().flatten() {
            // SAFETY: allocated with this layout, never published.
            unsafe { mem.free(block, layout) }
        }
    }

    /// With the items of `content`, at most [`SMALL`].
    fn small(
        mem: &mut impl Memory,
        skip: &[&[u8]],
        shape: &Shape,
        content: Content<'_>,
    ) -> Option<Self> {
        let (internals, children) = shape.counts();
        let skip_len = skip.iter().map(|part| part.len()).sum();
        let layout = small::layout(internals + children, skip_len);
        let block = mem.alloc(layout)?;
        let fill = |f: &mut dyn FnMut(Item, Raw)| content.for_each(shape, f);
        // SAFETY: the block is ours and has the layout; the shape is that of the content, and no
        // key has more than 255 bytes to skip.
        let raw = unsafe {
            small::write(block, (internals, children), skip, fill);
            Raw::node(block, Kind::Small)
        };
        Some(Self {
            raw,
            blocks: [Some((block, layout)), None, None],
        })
    }

    /// A packed node of this shape, whose slots `fill` writes.
    ///
    /// # Safety
    ///
    /// `fill` writes a slot for each item: internal ones first, then children, both by index. There
    /// are at most [`PACKED`] items, or no child but 255.
    unsafe fn packed(
        mem: &mut impl Memory,
        shape: &Shape,
        fill: impl FnOnce(NonNull<Slot>),
    ) -> Option<Self> {
        let (internals, children) = shape.counts();
        let layout = packed::layout(internals + children);
        let block = mem.alloc(layout)?;
        // SAFETY: the block is ours and has the layout; `fill` completes the node.
        let raw = unsafe {
            fill(packed::write(block, shape));
            Raw::node(block, Kind::Packed)
        };
        Some(Self {
            raw,
            blocks: [Some((block, layout)), None, None],
        })
    }

    /// A packed node with those items of `content` that are in `shape`: all, or all that the array
    /// of a full node does not hold.
    fn packed_of(mem: &mut impl Memory, shape: &Shape, content: Content<'_>) -> Option<Self> {
        let fill = |slots: NonNull<Slot>| {
            let mut count = 0;
            content.for_each(shape, |item, raw| {
                if item.is_in(shape) {
                    // SAFETY: a slot for each item of the shape, of which there is one.
                    unsafe { slots.add(count).write(Slot::new(raw)) };
                    count += 1;
                }
            });
        };
        // SAFETY: callers have at most PACKED items in the shape, or no child but 255; each is in
        // the content, which comes by number.
        unsafe { Self::packed(mem, shape, fill) }
    }

    fn full(mem: &mut impl Memory, shape: &Shape, content: Content<'_>) -> Option<Self> {
        let mut rest_shape = Shape {
            internal: shape.internal,
            ..Shape::EMPTY
        };
        let last = Item::Child(u8::MAX);
        if last.is_in(shape) {
            last.include(&mut rest_shape);
        }
        let mut new = Self::packed_of(mem, &rest_shape, content)?;
        let rest_block = new.blocks[0].map(|(block, _)| block)?;
        let Some(block) = mem.alloc(full::LAYOUT) else {
            new.free(mem);
            return None;
        };
        // SAFETY: `packed_of` has just written it, and nobody else knows it.
        let rest = unsafe { PackedRef::new(rest_block) };
        let pushed = |byte| {
            rest.cover(byte, 7)
                .map_or(Raw::VACANT, |entry| entry.pushed())
        };
        // SAFETY: the block is ours and has the layout; `rest_block` is a packed node.
        let array = unsafe {
            full::write(block, rest_block, pushed);
            FullRef::new(block)
        };
        content.for_each(shape, |item, raw| {
            if let Item::Child(byte) = item {
                if let Some(slot) = array.in_array(byte) {
                    slot.publish(raw);
                }
            }
        });
        // SAFETY: `block` is the array of a full node.
        new.raw = unsafe { Raw::node(block, Kind::Full) };
        new.blocks[1] = Some((block, full::LAYOUT));
        Some(new)
    }

    /// Puts a small node with nothing but `skip` in front, if there is anything to skip.
    fn with_front(mut self, mem: &mut impl Memory, mut skip: Skip<'_>) -> Option<Self> {
        let last = skip.iter_mut().rev().find_map(|part| {
            let (last, before) = part.split_last()?;
            *part = before;
            Some(*last)
        });
        let Some(last) = last else {
            return Some(self);
        };
        let content = Content::of([Some((Item::Child(last), self.raw)), None]);
        let Some(front) = Self::small(mem, &skip, &content.shape(), content) else {
            self.free(mem);
            return None;
        };
        self.raw = front.raw;
        self.blocks[2] = front.blocks[0];
        Some(self)
    }
}

/// What a new node is to hold.
#[derive(Clone, Copy)]
struct Content<'a> {
    /// The items of this node that are not vacant,
    node: Option<NodeRef<'a>>,
    /// and these, by number, which it does not have.
    added: [Option<(Item, Raw)>; 2],
}

impl<'a> Content<'a> {
    fn of(added: [Option<(Item, Raw)>; 2]) -> Self {
        Self { node: None, added }
    }

    fn with(node: NodeRef<'a>, added: Option<(Item, Raw)>) -> Self {
        Self {
            node: Some(node),
            added: [added, None],
        }
    }

    fn shape(&self) -> Shape {
        let mut shape = Shape::EMPTY;
        self.for_each_raw(|item, _| item.include(&mut shape));
        shape
    }

    /// Calls `f` with each item and what its slot holds in a node of this shape, by number.
    fn for_each(&self, shape: &Shape, mut f: impl FnMut(Item, Raw)) {
        self.for_each_raw(|item, raw| match item {
            Item::Child(byte) => f(item, raw.with_fallback(longest(&shape.internal, byte) != 0)),
            Item::Internal(_) => f(item, raw),
        });
    }

    fn for_each_raw(&self, mut f: impl FnMut(Item, Raw)) {
        let mut added = self.added.iter().flatten().copied().peekable();
        if let Some(node) = self.node {
            node.for_each(|item, slot| {
                while let Some((new, raw)) = added.next_if(|new| new.0.number() < item.number()) {
                    f(new, raw);
                }
                f(item, slot.raw());
            });
        }
        added.for_each(|(item, raw)| f(item, raw));
    }

    /// A node of the kind that so many items ask for.
    fn make(self, mem: &mut impl Memory, skip: Skip<'_>) -> Option<NewNode> {
        let shape = self.shape();
        let (internals, children) = shape.counts();
        match internals + children {
            0..=SMALL => NewNode::small(mem, &skip, &shape, self),
            count if count <= PACKED => {
                NewNode::packed_of(mem, &shape, self)?.with_front(mem, skip)
            }
            _ => NewNode::full(mem, &shape, self)?.with_front(mem, skip),
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
    Content::of([Some(first), Some(second)]).make(mem, [skip, &[], &[]])
}

/// A node with nothing but one child, which is a node.
pub(super) fn front(
    mem: &mut impl Memory,
    skip: &[u8],
    byte: u8,
    child: NodeRef<'_>,
) -> Option<NewNode> {
    let item = (Item::Child(byte), child.raw());
    Content::of([Some(item), None]).make(mem, [skip, &[], &[]])
}

/// A full node with the items of a packed one.
pub(super) fn promoted(mem: &mut impl Memory, from: PackedRef<'_>) -> Option<NewNode> {
    let content = Content::with(NodeRef::Packed(from), None);
    NewNode::full(mem, &content.shape(), content)
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
            return copy_packed(mem, node, added)?.with_front(mem, skip);
        }
    }
    Content::with(from, added).make(mem, skip)
}

/// A copy of the packed node of a full one, with an item that it does not have if there is one to
/// add.
pub(super) fn copy_rest(
    mem: &mut impl Memory,
    from: PackedRef<'_>,
    added: Option<(Item, Raw)>,
) -> Option<NewNode> {
    match added {
        Some(added) if NodeRef::Packed(from).live() == from.len() => copy_packed(mem, from, added),
        _ => {
            let content = Content::with(NodeRef::Packed(from), added);
            NewNode::packed_of(mem, &content.shape(), content)
        }
    }
}

/// A copy of a packed node with no vacant slot, most of the slots as they are.
fn copy_packed(
    mem: &mut impl Memory,
    from: PackedRef<'_>,
    (item, raw): (Item, Raw),
) -> Option<NewNode> {
    let mut shape = from.shape();
    item.include(&mut shape);
    let rank = from.rank(item);
    let raw = match item {
        Item::Internal(_) => raw,
        Item::Child(byte) => raw.with_fallback(longest(&shape.internal, byte) != 0),
    };
    let (before, after) = from.slots().split_at_checked(rank)?;
    let fill = |to: NonNull<Slot>| {
        // SAFETY: the node has a slot more than `from`.
        unsafe {
            copy_slots(before, to);
            to.add(rank).write(Slot::new(raw));
            copy_slots(after, to.add(rank + 1));
        }
    };
    // SAFETY: the slots of `from` are in this order, and a new one is put in at its rank. `from`
    // had less than PACKED items, or no child but 255.
    let new = unsafe { NewNode::packed(mem, &shape, fill) }?;
    if let (Item::Internal(index), Some((block, _))) = (item, new.blocks[0]) {
        // SAFETY: `packed` has just written it, and nobody else knows it.
        NodeRef::Packed(unsafe { PackedRef::new(block) }).refresh(index);
    }
    Some(new)
}

/// Copies slots. Only the writer may read them without atomics: nobody else writes them.
///
/// # Safety
///
/// As many slots may be written at `to`, which nobody else knows.
#[cfg(not(loom))]
unsafe fn copy_slots(from: &[Slot], to: NonNull<Slot>) {
    // SAFETY: by the contract; a slot is a pointer in memory.
    unsafe { to.copy_from_nonoverlapping(NonNull::from(from).cast(), from.len()) };
}

/// As above, for slots that are more than a pointer in memory.
///
/// # Safety
///
/// As above.
#[cfg(loom)]
unsafe fn copy_slots(from: &[Slot], to: NonNull<Slot>) {
    for (i, slot) in from.iter().enumerate() {
        // SAFETY: by the contract.
        unsafe { to.add(i).write(Slot::new(slot.raw())) };
    }
}
