// SPDX-License-Identifier: GPL-2.0
//! New nodes: a node of two items, or a copy of a node, possibly with one item more. The number of
//! items determines the kind of a copy. Vacant items are left out of it, but if an item is added,
//! the rest of the block becomes vacant slots for the items that would come next: tables are mostly
//! loaded in order, and an item that has a slot needs no copy.
//!
//! Everything here happens before publication.

use super::{
    full::{self, FullRef},
    item::Item,
    memory::Memory,
    node::NodeRef,
    packed::{self, set_next, PackedRef, Shape, PACKED},
    slot::{Kind, Raw, Slot},
    small::{self, SMALL},
    stride::{first_byte, is_empty, longest, set, test},
};
use core::{alloc::Layout, mem::size_of, ptr::NonNull};

/// Skipped bytes, in up to three consecutive parts.
pub(super) type Skip<'s> = [&'s [u8]; 3];

/// A block that is ours.
type Block = (NonNull<u8>, Layout);

/// A node that is not published yet.
pub(super) struct NewNode {
    raw: Raw,
    /// The node's own block, or a full node's packed node and its array; then the small node in
    /// front.
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

    /// The content of the slot that will lead here.
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

    /// A small node of this shape, at most [`SMALL`] items: those of `content`, and vacant ones.
    fn small(
        mem: &mut impl Memory,
        skip: &[&[u8]],
        shape: &Shape,
        content: &Content<'_>,
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

    /// A packed node of this shape: the items of `content` that are in it, and vacant ones. There
    /// are at most [`PACKED`] of them, or no child but 255.
    fn packed(mem: &mut impl Memory, shape: &Shape, content: &Content<'_>) -> Option<Self> {
        let (internals, children) = shape.counts();
        let layout = packed::layout(internals + children);
        let block = mem.alloc(layout)?;
        // SAFETY: the block is ours and has the layout. `make` passes at most PACKED items, `full`
        // and `copy_rest` no child but 255. No slot is read before it is written below.
        let (slots, node) = unsafe { (packed::write(block, shape), PackedRef::new(block)) };
        let node = NodeRef::Packed(node);
        if let Some(NodeRef::Packed(from)) = content.node {
            // SAFETY: the block has a slot for each item of `shape`, and is ours.
            unsafe { from.copy_slots(shape, slots) };
            for (item, raw) in content.added.into_iter().flatten() {
                match (item, node.slot(item)) {
                    (Item::Child(byte), Some(slot)) => {
                        slot.publish(node.child_raw(slot, byte, raw));
                    }
                    (Item::Internal(index), Some(slot)) => {
                        slot.publish(raw);
                        node.refresh(index);
                    }
                    (_, None) => {}
                }
            }
        } else {
            let mut count = 0;
            content.for_each(shape, |_, raw| {
                // SAFETY: a slot for each item of the shape, of which there is one.
                unsafe { slots.add(count).write(Slot::new(raw)) };
                count += 1;
            });
        }
        Some(Self {
            // SAFETY: a complete packed node.
            raw: unsafe { Raw::node(block, Kind::Packed) },
            blocks: [Some((block, layout)), None, None],
        })
    }

    /// A full node with the items of `content`.
    fn full(mem: &mut impl Memory, content: &Content<'_>) -> Option<Self> {
        let shape = &content.taken;
        let mut rest_shape = Shape {
            internal: shape.internal,
            ..Shape::EMPTY
        };
        let last = Item::Child(u8::MAX);
        if last.is_in(shape) {
            last.include(&mut rest_shape);
        }
        let mut new = Self::packed(mem, &rest_shape, content)?;
        let rest_block = new.blocks[0].map(|(block, _)| block)?;
        let Some(block) = mem.alloc(full::LAYOUT) else {
            new.free(mem);
            return None;
        };
        // SAFETY: `packed` has just written it, and nobody else knows it.
        let rest = unsafe { PackedRef::new(rest_block) };
        let pushed = |byte| NodeRef::Packed(rest).pushed(byte);
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
        let Some(front) = Self::small(mem, &skip, &content.taken, &content) else {
            self.free(mem);
            return None;
        };
        self.raw = front.raw;
        self.blocks[2] = front.blocks[0];
        Some(self)
    }
}

/// What a new node will hold.
struct Content<'a> {
    /// The items of this node that are not vacant.
    node: Option<NodeRef<'a>>,
    /// Further items, in order of their numbers, that the node does not have.
    added: [Option<(Item, Raw)>; 2],
    /// Which items these are.
    taken: Shape,
}

impl<'a> Content<'a> {
    fn new(node: Option<NodeRef<'a>>, added: [Option<(Item, Raw)>; 2]) -> Self {
        let mut taken = Shape::EMPTY;
        match node {
            Some(NodeRef::Packed(node)) => taken = node.taken(),
            Some(node) => node.for_each(|item, _| item.include(&mut taken)),
            None => {}
        }
        for (item, _) in added.iter().flatten() {
            item.include(&mut taken);
        }
        Self { node, added, taken }
    }

    fn of(added: [Option<(Item, Raw)>; 2]) -> Self {
        Self::new(None, added)
    }

    fn with(node: NodeRef<'a>, added: Option<(Item, Raw)>) -> Self {
        Self::new(Some(node), [added, None])
    }

    /// The shape of what it holds, and of up to `room` vacant items that would follow the last
    /// added one in the order of a table: internal prefixes and, if `children`, children.
    fn with_next(&self, mut room: usize, children: bool) -> Shape {
        let mut shape = self.taken;
        let byte = match self.added.iter().flatten().last() {
            Some((Item::Child(byte), _)) => *byte,
            Some((Item::Internal(index), _)) => {
                let internals = if children { room / 2 } else { room };
                room -= set_next(&mut shape.internal, *index, internals);
                first_byte(*index)
            }
            None => return shape,
        };
        if children {
            set_next(&mut shape.child, byte, room);
        }
        shape
    }

    /// Calls `f` with each item of `shape`, in order of their numbers, and the content of its slot.
    fn for_each(&self, shape: &Shape, mut f: impl FnMut(Item, Raw)) {
        let internal = &self.taken.internal;
        let no_internals = is_empty(internal);
        shape.for_each(|item| {
            let mut added = self.added.iter().flatten();
            let raw = match added.find(|added| added.0 == item) {
                Some((_, raw)) => *raw,
                None => {
                    let slot = self.node.and_then(|node| node.slot(item));
                    let taken = slot.map(Slot::raw).filter(|raw| raw.is_taken());
                    taken.unwrap_or(Raw::VACANT)
                }
            };
            match item {
                Item::Child(byte) => {
                    let covered = !no_internals && longest(internal, byte) != 0;
                    f(item, raw.with_fallback(covered))
                }
                Item::Internal(_) => f(item, raw),
            }
        });
    }

    /// A node of the kind that suits its number of items.
    fn make<M: Memory>(&self, mem: &mut M, skip: Skip<'_>) -> Option<NewNode> {
        match self.taken.len() {
            0..=1 => NewNode::small(mem, &skip, &self.taken, self),
            count @ ..=SMALL => {
                let skip_len = skip.iter().map(|part| part.len()).sum();
                let room = spare::<M>(small::layout(count, skip_len)).min(SMALL - count);
                NewNode::small(mem, &skip, &self.with_next(room, true), self)
            }
            count @ ..=PACKED => {
                let room = spare::<M>(packed::layout(count)).min(PACKED - count);
                NewNode::packed(mem, &self.with_next(room, true), self)?.with_front(mem, skip)
            }
            _ => NewNode::full(mem, self)?.with_front(mem, skip),
        }
    }
}

/// How many more slots fit into a block of this layout.
fn spare<M: Memory>(layout: Layout) -> usize {
    M::size_of(layout).saturating_sub(layout.size()) / size_of::<Slot>()
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

/// A node with a single item: a child that is a node.
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
    NewNode::full(mem, &Content::with(NodeRef::Packed(from), None))
}

/// A copy of `from`, with an item that it does not have if there is one to add, and `skip` for its
/// skipped bytes.
pub(super) fn copy(
    mem: &mut impl Memory,
    from: NodeRef<'_>,
    added: Option<(Item, Raw)>,
    skip: Skip<'_>,
) -> Option<NewNode> {
    Content::with(from, added).make(mem, skip)
}

/// A copy of the packed node of a full one, with an item that it does not have if there is one to
/// add.
pub(super) fn copy_rest<M: Memory>(
    mem: &mut M,
    from: PackedRef<'_>,
    added: Option<(Item, Raw)>,
) -> Option<NewNode> {
    let content = Content::with(NodeRef::Packed(from), added);
    let room = spare::<M>(packed::layout(content.taken.len()));
    NewNode::packed(mem, &content.with_next(room, false), &content)
}
