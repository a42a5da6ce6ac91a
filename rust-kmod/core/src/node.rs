// SPDX-License-Identifier: GPL-2.0
//! Nodes of any kind, and what slots lead to.
//!
//! | kind   | for                 | a lookup reads                         |
//! |--------|---------------------|----------------------------------------|
//! | small  | 1 to 6 items        | one cache line                         |
//! | packed | 7 to 55 items       | two: bitmap and slot                   |
//! | full   | more than 55 items  | one: the slot; and a 2,048-byte array  |
//!
//! A node does not store its depth: a descent counts the bytes that lead to it.

use super::{
    entry::EntryRef,
    full::{self, FullRef},
    item::Item,
    packed::PackedRef,
    prefix::Prefix,
    slot::{Kind, Raw, Slot, Target},
    small::SmallRef,
    stride,
};
use core::{alloc::Layout, iter, ptr::NonNull};

/// A node that stays readable for `'a`.
#[derive(Clone, Copy)]
pub(super) enum NodeRef<'a> {
    Small(SmallRef<'a>),
    Packed(PackedRef<'a>),
    Full(FullRef<'a>),
}

/// What a slot leads to.
#[derive(Clone, Copy)]
pub(super) enum Link<'a> {
    Vacant,
    /// `true`: every key that leads to the slot is covered.
    Entry(EntryRef<'a>, bool),
    Node(NodeRef<'a>),
}

impl Slot {
    /// What is below the slot, for walks and updates: a pushed entry does not count.
    ///
    /// Whoever holds a slot for `'a` is in a reader section or is the writer, so the blocks that it
    /// finds there live that long.
    pub(super) fn below<'a>(&'a self) -> Link<'a> {
        let raw = self.acquire();
        if raw.is_taken() {
            // SAFETY: the slot's own content.
            unsafe { Link::to(raw) }
        } else {
            Link::Vacant
        }
    }
}

impl<'a> Link<'a> {
    /// # Safety
    ///
    /// `raw` was acquired from a slot that the caller may hold for `'a`.
    #[inline(always)]
    pub(super) unsafe fn to(raw: Raw) -> Self {
        // SAFETY, for all: by the invariants of slots the block is of the kind that its tag says
        // and was published; it is retired after it became unreachable, and 'a lies in a reader
        // section that keeps it, or belongs to the writer, who retires.
        match raw.target() {
            Target::Vacant => Link::Vacant,
            // SAFETY: as above.
            Target::Entry(ptr, exact) => Link::Entry(unsafe { EntryRef::new(ptr) }, exact),
            // SAFETY: as above.
            Target::Node(ptr, kind) => Link::Node(unsafe { NodeRef::new(ptr, kind) }),
        }
    }
}

impl<'a> NodeRef<'a> {
    /// # Safety
    ///
    /// `ptr` is an initialised node block of this kind, and the invariants of that kind's reference
    /// hold for `'a`.
    #[inline(always)]
    pub(super) unsafe fn new(ptr: NonNull<u8>, kind: Kind) -> Self {
        match kind {
            // SAFETY: by the contract.
            Kind::Small => NodeRef::Small(unsafe { SmallRef::new(ptr) }),
            // SAFETY: by the contract.
            Kind::Packed => NodeRef::Packed(unsafe { PackedRef::new(ptr) }),
            // SAFETY: by the contract.
            Kind::Full => NodeRef::Full(unsafe { FullRef::new(ptr) }),
        }
    }

    /// For the slot that leads here.
    pub(super) fn raw(self) -> Raw {
        // SAFETY: by the invariants of each kind's reference.
        unsafe {
            match self {
                NodeRef::Small(node) => Raw::node(node.ptr(), Kind::Small),
                NodeRef::Packed(node) => Raw::node(node.ptr(), Kind::Packed),
                NodeRef::Full(node) => Raw::node(node.ptr(), Kind::Full),
            }
        }
    }

    /// The blocks that the node consists of.
    pub(super) fn blocks(self) -> impl Iterator<Item = (NonNull<u8>, Layout)> {
        let (first, second) = match self {
            NodeRef::Small(node) => ((node.ptr(), node.layout()), None),
            NodeRef::Packed(node) => ((node.ptr(), node.layout()), None),
            NodeRef::Full(node) => {
                let rest = node.rest();
                let rest = (rest.ptr(), rest.layout());
                ((node.ptr(), full::LAYOUT), Some(rest))
            }
        };
        iter::once(first).chain(second)
    }

    /// The bytes between the byte that leads here and the one that this node looks at.
    #[inline]
    pub(super) fn skip(self) -> &'a [u8] {
        match self {
            NodeRef::Small(node) => node.skip(),
            _ => &[],
        }
    }

    /// The first depth at which `prefix` ends or differs within the skipped bytes, to which `start`
    /// bytes lead; `None`: it goes through to this node.
    #[inline]
    pub(super) fn leaves_at(self, prefix: Prefix<'_>, start: usize) -> Option<usize> {
        let skip = self.skip();
        if skip.is_empty() {
            return None;
        }
        let depth = start + skip.len();
        let end = prefix.depth();
        let path = prefix.bytes(start.min(end), depth.min(end));
        match path.iter().zip(skip).position(|(a, b)| a != b) {
            Some(i) => Some(start + i),
            None => (end < depth).then_some(end),
        }
    }

    /// The slot for the child under `byte`, if the node has one.
    #[inline(always)]
    pub(super) fn child(self, byte: u8) -> Option<&'a Slot> {
        match self {
            NodeRef::Small(node) => node.child(byte),
            NodeRef::Packed(node) => node.child(byte),
            NodeRef::Full(node) => node.child(byte),
        }
    }

    /// The slot for `item`, if the node has one; it may be vacant.
    pub(super) fn slot(self, item: Item) -> Option<&'a Slot> {
        match (item, self) {
            (Item::Child(byte), _) => self.child(byte),
            (Item::Internal(index), NodeRef::Small(node)) => node.internal(index),
            (Item::Internal(index), NodeRef::Packed(node)) => node.internal(index),
            (Item::Internal(index), NodeRef::Full(node)) => node.rest().internal(index),
        }
    }

    /// The longest internal prefix of at most `len` bits (0 to 7) that covers `byte`.
    #[inline]
    pub(super) fn cover(self, byte: u8, len: u32) -> Option<EntryRef<'a>> {
        match self {
            NodeRef::Small(node) => node.cover(byte, len),
            NodeRef::Packed(node) => node.cover(byte, len),
            NodeRef::Full(node) => node.cover(byte, len),
        }
    }

    /// The longest internal prefix that covers `byte`, whose slot is vacant or does not exist; in
    /// the array of a full node, a vacant slot means that there is no such prefix.
    #[inline]
    pub(super) fn cover_of_vacant(self, byte: u8) -> Option<EntryRef<'a>> {
        match self {
            NodeRef::Full(node) if node.in_array(byte).is_some() => None,
            _ => self.cover(byte, 7),
        }
    }

    /// Calls `f` with each item that is not vacant, and its slot, in order of their numbers. The
    /// writer only.
    #[inline]
    pub(super) fn for_each(self, mut f: impl FnMut(Item, &'a Slot)) {
        let f = |item, slot: &'a Slot| {
            if slot.raw().is_taken() {
                f(item, slot);
            }
        };
        match self {
            NodeRef::Small(node) => node.for_each(f),
            NodeRef::Packed(node) => node.for_each(f),
            NodeRef::Full(node) => node.for_each(f),
        }
    }

    /// One of the items that are not vacant, and its slot. The writer only.
    pub(super) fn any_item(self) -> Option<(Item, &'a Slot)> {
        let mut found = None;
        self.for_each(|item, slot| found = Some((item, slot)));
        found
    }

    /// How many items are not vacant, counted up to `enough`. The writer only.
    pub(super) fn live_upto(self, enough: usize) -> usize {
        match self {
            NodeRef::Small(node) => taken(node.slots(), enough),
            NodeRef::Packed(node) => taken(node.slots(), enough),
            NodeRef::Full(node) => match taken(node.children(), enough) {
                count if count < enough => count + taken(node.rest().slots(), enough - count),
                _ => enough,
            },
        }
    }

    /// How many items are not vacant. The writer only.
    pub(super) fn live(self) -> usize {
        self.live_upto(usize::MAX)
    }

    /// How many slots are not vacant among those around that of `item`, which the node has: `COUNT`
    /// slots, of which 8 fill a cache line. The writer only.
    #[inline]
    pub(super) fn live_near<const COUNT: usize>(self, item: Item) -> usize {
        let (slots, at) = match (self, item) {
            (NodeRef::Small(node), _) => (node.slots(), 0),
            (NodeRef::Packed(node), _) => (node.slots(), node.rank(item)),
            (NodeRef::Full(node), Item::Child(byte)) if node.in_array(byte).is_some() => {
                (node.children(), byte.into())
            }
            (NodeRef::Full(node), _) => (node.rest().slots(), node.rest().rank(item)),
        };
        let start = at / COUNT * COUNT;
        let end = slots.len().min(start + COUNT);
        taken(slots.get(start..end).unwrap_or(&[]), COUNT)
    }

    /// Whether there are non-vacant items besides `item`, which is one. The writer only.
    pub(super) fn has_others(self, item: Item) -> bool {
        self.live_near::<8>(item) > 1 || self.live_upto(2) > 1
    }

    /// The number and the slot of the next item after number `after` in post-order that leads
    /// somewhere; `None`: no more. The node need not have an item `after`.
    pub(super) fn following(self, mut after: u32) -> Option<(u32, &'a Slot)> {
        loop {
            after = match self {
                NodeRef::Small(node) => node.following(after),
                NodeRef::Packed(node) => stride::following(&node, after),
                NodeRef::Full(node) => stride::following(&node, after),
            };
            if after == 0 {
                return None;
            }
            if let Some(slot) = self.slot(Item::numbered(after)) {
                if slot.acquire().is_taken() {
                    return Some((after, slot));
                }
            }
        }
    }
}

/// How many slots lead somewhere, counted up to `enough`.
fn taken(slots: &[Slot], enough: usize) -> usize {
    let mut taken = 0;
    for slot in slots {
        taken += usize::from(slot.raw().is_taken());
        if taken >= enough {
            break;
        }
    }
    taken
}
