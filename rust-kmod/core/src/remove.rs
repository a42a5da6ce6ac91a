// SPDX-License-Identifier: GPL-2.0
//! Removal, which needs no memory: the slot of the removed item becomes vacant, and readers pass
//! over it; an insertion of the same prefix fills it again, and any copy of the node leaves it out.
//!
//! So a node may have fewer items than slots. Once a smaller node would do, or its only item could
//! take the node's place, it is wasteful, and `tidy.rs` replaces it; if there is no memory for
//! that, later writers do.
//!
//! There may be nodes with one item, even chains of them, but none without an item. If the last
//! entry below such a chain is removed, so is the chain: one store unlinks it.

use super::{
    descent::End,
    entry::EntryRef,
    item::Item,
    memory::Memory,
    node::NodeRef,
    prefix::Prefix,
    slot::{Raw, Slot},
    tidy::LOWEST,
    Error, Writer,
};
use core::{
    alloc::Layout,
    ptr::{self, NonNull},
};

/// An item of a node that is not vacant.
#[derive(Clone, Copy)]
struct Held<'a> {
    node: NodeRef<'a>,
    item: Item,
    slot: &'a Slot,
}

impl Held<'_> {
    /// Makes the item vacant.
    fn vacate(self) {
        let Self { node, item, slot } = self;
        match item {
            Item::Internal(index) => {
                slot.publish(Raw::VACANT);
                node.refresh(index);
            }
            Item::Child(byte) => slot.publish(node.childless_raw(slot, byte)),
        }
    }
}

impl Writer<'_> {
    /// Removes the entry of exactly `prefix` and retires it. Returns where its value is until the
    /// grace period ends.
    ///
    /// [`Error::Missing`]: there is none. [`Error::NoMemory`]: there is no room to retire it; no
    /// other lack of memory makes it fail. After an error nothing has changed.
    pub fn remove<M: Memory>(
        &mut self,
        mem: &mut M,
        prefix: Prefix<'_>,
    ) -> Result<NonNull<u8>, Error> {
        let trie = self.trie;
        if prefix.data().len() != trie.geometry.data_size() {
            return Err(Error::Missing);
        }
        let descent = trie.descend(prefix);
        let entry = descent.found(trie, prefix).ok_or(Error::Missing)?;
        if !mem.reserve(0, 1) {
            return Err(Error::NoMemory);
        }
        trie.changes.begin();
        let way = &descent.way;
        let held = match descent.end {
            End::Item {
                node,
                item,
                slot: Some(slot),
            } => Some(Held { node, item, slot }),
            _ => way.holder.map(|node| Held {
                node,
                item: Item::Child(prefix.byte(way.start - 1)),
                slot: way.slot,
            }),
        };
        let mut wasteful = false;
        match held {
            Some(held) if held.node.has_others(held.item) => {
                held.vacate();
                wasteful = held.node.is_wasteful_without::<M>(held.item);
            }
            _ => {
                let end = held.map_or(way.slot, |held| held.slot);
                self.take_out_chain(prefix, end, held);
            }
        }
        self.retire_entry(mem, entry);
        if wasteful {
            self.shrink_all(mem, prefix, LOWEST);
        }
        self.tidy(mem, prefix);
        Ok(entry.ptr())
    }

    /// Unlinks the nodes on the way to `prefix` that hold nothing but its entry, which is in `end`,
    /// as the `last` node's item if there is one.
    #[cold]
    fn take_out_chain(&mut self, prefix: Prefix<'_>, end: &Slot, last: Option<Held<'_>>) {
        let trie = self.trie;
        let mut branch = None;
        trie.descend_noting(prefix, |place, item| {
            let node = place.node;
            if let (Some(slot), true) = (node.slot(item), node.has_others(item)) {
                branch = Some(Held { node, item, slot });
            }
        });
        let begin = branch.map_or(&trie.root, |held| held.slot);
        let first = begin.raw();
        match branch {
            None => begin.publish(Raw::VACANT),
            Some(held) => held.vacate(),
        }
        if let Some(last) = last {
            // Only now, because a walk finds an entry in each node that is linked. A full node may
            // hold the entry in further slots, which would outlive it.
            last.vacate();
        }
        if !ptr::eq(begin, end) {
            self.leave(first.with_fallback(false), end);
            self.trie.stats.attend();
        }
    }

    /// Retires a node to which no slot leads any more.
    pub(super) fn retire_node<M: Memory>(&self, mem: &mut M, node: NodeRef<'_>) {
        for (block, layout) in node.blocks() {
            self.retire_block(mem, block, layout);
        }
    }

    /// Retires a block of a node to which no slot leads any more.
    pub(super) fn retire_block<M: Memory>(&self, mem: &mut M, block: NonNull<u8>, layout: Layout) {
        self.trie.stats.shrank(M::size_of(layout) as u64);
        // SAFETY: callers have put something else into the one slot that led to the block, or into
        // the last one on the way to it; it is retired this once.
        unsafe { mem.retire_node(block, layout) };
    }

    fn retire_entry<M: Memory>(&self, mem: &mut M, entry: EntryRef<'_>) {
        let layout = entry.layout(&self.trie.geometry);
        self.trie.stats.shrank(M::size_of(layout) as u64);
        self.trie.stats.entries(-1);
        // SAFETY: callers have put something else into the one slot that led to the entry, or into
        // the last one on the way to it; it is retired this once.
        unsafe { mem.retire_entry(entry.ptr(), layout) };
    }
}
