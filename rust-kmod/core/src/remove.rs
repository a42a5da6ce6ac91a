// SPDX-License-Identifier: GPL-2.0
//! Remove: the inverse of insert, so that a trie's shape depends on what is in it and not on how it
//! got there.
//!
//! A node that keeps two items or more is replaced by a copy without the one that goes, or, if it
//! has groups and a copy would be no smaller, loses it in place; one that keeps a single item gives
//! its place to it. Where memory for a copy is missing and the caller cannot wait for it, the slot
//! becomes vacant instead: readers pass over it, and the next copy of the node leaves it out, see
//! `tidy.rs`.
//!
//! So there may be nodes with one item that is not vacant, even chains of them, but none without.
//! If the last entry below such a chain goes, the chain goes with it: one store unlinks it.

use super::{
    build::{copy, Edit, Item},
    descent::{End, Place},
    entry::EntryRef,
    memory::Memory,
    node::NodeRef,
    prefix::Prefix,
    slot::{Link, Raw, Slot},
    Error, Writer,
};

/// An item of a node, and where that is.
#[derive(Clone, Copy)]
struct Held<'a> {
    place: Place<'a>,
    item: Item,
    slot: &'a Slot,
}

/// What stays in a node besides one of its items.
enum Rest<'a> {
    Nothing,
    One(Item, &'a Slot),
    More,
}

impl<'a> Held<'a> {
    /// What the node keeps when the item, which is not vacant, goes.
    fn rest(self) -> Rest<'a> {
        match self.place.node.live() {
            0 | 1 => Rest::Nothing,
            2 => {
                let mut others = self.place.node.items().filter(|(_, slot)| {
                    !core::ptr::eq(*slot, self.slot) && !slot.raw().is_vacant()
                });
                others
                    .next()
                    .map_or(Rest::Nothing, |(item, slot)| Rest::One(item, slot))
            }
            _ => Rest::More,
        }
    }
}

impl Writer<'_> {
    /// Removes the entry of exactly `prefix` and retires it.
    ///
    /// [`Error::Missing`]: there is none. [`Error::NoMemory`]: `reserve` refused, or there was no
    /// memory for a copy of a node and the caller [waits](Memory::waits) for it; no other lack of
    /// memory makes it fail. After an error nothing has changed.
    pub fn remove<M: Memory>(&mut self, mem: &mut M, prefix: Prefix<'_>) -> Result<(), Error> {
        let trie = self.trie;
        if prefix.data().len() != trie.geometry.data_size() {
            return Err(Error::Missing);
        }
        let descent = trie.descend(prefix);
        let entry = descent.found(trie, prefix).ok_or(Error::Missing)?;
        trie.changes.begin();
        let held = match descent.end {
            End::Item {
                node,
                item,
                slot: Some(slot),
            } => Some(Held {
                place: Place {
                    slot: descent.slot,
                    node,
                },
                item,
                slot,
            }),
            _ => descent.above.map(|place| Held {
                place,
                item: Item::of(prefix.data(), prefix.prefixlen(), place.node.depth()),
                slot: descent.slot,
            }),
        };
        match held {
            None => self.empty_entrance(mem, prefix)?,
            Some(held) if !self.take_out(mem, held)? => {
                self.take_out_chain(mem, prefix, held.slot)?;
            }
            _ => {}
        }
        self.retire_entry(mem, entry);
        self.tidy(mem, prefix);
        Ok(())
    }

    /// Makes the entrance to `prefix` vacant.
    fn empty_entrance<M: Memory>(&self, mem: &mut M, prefix: Prefix<'_>) -> Result<(), Error> {
        if !mem.reserve(0, 1) {
            return Err(Error::NoMemory);
        }
        self.trie.publish_entrance(prefix, Raw::VACANT);
        Ok(())
    }

    /// Takes an item out of its node, with room left to retire one entry. `false`: the node has
    /// nothing else, and nothing has changed.
    fn take_out<M: Memory>(&mut self, mem: &mut M, held: Held<'_>) -> Result<bool, Error> {
        let Place { slot, node } = held.place;
        let rest = held.rest();
        let nodes = match rest {
            Rest::Nothing => return Ok(false),
            Rest::One(..) => 2,
            Rest::More => 1,
        };
        if !mem.reserve(nodes, 1) {
            return Err(Error::NoMemory);
        }
        let done = match rest {
            Rest::One(last, last_slot) => self.give_place(mem, held.place, last, last_slot),
            _ if node.take::<M>(held.item) => true,
            _ => match copy(mem, node, Edit::Drop(held.item), &[node.skip()]) {
                Some(new) => {
                    self.publish(mem, slot, new, Some(node));
                    true
                }
                None => false,
            },
        };
        if done {
            return Ok(true);
        }
        if mem.waits() {
            return Err(Error::NoMemory);
        }
        let wasteful = node.is_wasteful::<M>();
        if !node.take_anyway(held.item) {
            held.slot.publish(Raw::VACANT);
        }
        self.trie.stats.became_wasteful(wasteful, true);
        Ok(true)
    }

    /// Puts the one item that stays into the place of its node. `false`: no memory, and nothing has
    /// changed.
    pub(super) fn give_place<M: Memory>(
        &mut self,
        mem: &mut M,
        Place { slot, node }: Place<'_>,
        last: Item,
        last_slot: &Slot,
    ) -> bool {
        match (last, last_slot.load()) {
            (Item::Child(byte), Link::Node(child)) => {
                let skip: &[&[u8]] = &[node.skip(), &[byte], child.skip()];
                let Some(new) = copy(mem, child, Edit::Keep, skip) else {
                    return false;
                };
                self.publish(mem, slot, new, Some(node));
                self.retire_node(mem, child);
                true
            }
            (_, Link::Entry(entry, _)) => {
                let start = node.depth() - node.skip().len();
                slot.publish(entry.leaf(&self.trie.geometry, start));
                self.retire_node(mem, node);
                true
            }
            // An item that stays is not vacant, and only children are nodes.
            _ => false,
        }
    }

    /// Unlinks the nodes on the way to `prefix` that hold nothing but its entry, which is in `end`,
    /// with room left to retire one entry.
    #[cold]
    fn take_out_chain<M: Memory>(
        &mut self,
        mem: &mut M,
        prefix: Prefix<'_>,
        end: &Slot,
    ) -> Result<(), Error> {
        let trie = self.trie;
        let mut branch = None;
        trie.descend_noting(prefix, |place, item| {
            if let Some(slot) = place.node.slot(item) {
                let held = Held { place, item, slot };
                if !matches!(held.rest(), Rest::Nothing) {
                    branch = Some(held);
                }
            }
        });
        let first = branch
            .map_or(trie.entrance(prefix).0, |held| held.slot)
            .raw();
        match branch {
            None => self.empty_entrance(mem, prefix)?,
            Some(held) => {
                self.take_out(mem, held)?;
            }
        }
        self.leave(first, end);
        Ok(())
    }

    /// Retires a node to which no slot leads any more.
    pub(super) fn retire_node<M: Memory>(&mut self, mem: &mut M, node: NodeRef<'_>) {
        let stats = &self.trie.stats;
        if stats.wasteful() > 0 {
            stats.became_wasteful(node.is_wasteful::<M>(), false);
        }
        let layout = node.layout();
        stats.shrank(M::size_of(layout) as u64);
        // SAFETY: callers have put something else into the one slot that led to the node, or into
        // the last one on the way to it; it is retired this once.
        unsafe { mem.retire_node(node.ptr(), layout) };
    }

    fn retire_entry<M: Memory>(&mut self, mem: &mut M, entry: EntryRef<'_>) {
        let layout = self.trie.geometry.entry_layout();
        self.trie.stats.shrank(M::size_of(layout) as u64);
        self.trie.stats.entries(-1);
        // SAFETY: callers have put something else into the one slot that led to the entry, or into
        // the last one on the way to it; it is retired this once.
        unsafe { mem.retire_entry(entry.ptr(), layout) };
    }
}
