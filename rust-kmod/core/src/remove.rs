// SPDX-License-Identifier: GPL-2.0
//! Remove: the inverse of insert, so that a trie's shape depends on what is in it and not on how it
//! got there.
//!
//! A node that keeps two items or more is replaced by a copy without the one that goes, or, if it
//! has groups and a copy would be no smaller, loses it in place; one that keeps a single item gives
//! its place to it. Where memory for a copy is missing, the slot becomes vacant instead: readers
//! pass over it, and the next change of the node leaves it out. A node always keeps one item that
//! is not vacant; removing that one unhooks the node.

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

/// What stays in a node besides one of its items.
enum Rest<'a> {
    Nothing,
    One(Item, &'a Slot),
    More,
}

impl Writer<'_> {
    /// Removes the entry of exactly `prefix` and retires it.
    ///
    /// [`Error::Missing`]: there is none. [`Error::NoMemory`]: `reserve` refused; no other lack of
    /// memory makes it fail. After an error nothing has changed.
    pub fn remove<M: Memory>(&mut self, mem: &mut M, prefix: Prefix<'_>) -> Result<(), Error> {
        let trie = self.trie;
        if prefix.data().len() != trie.geometry.data_size() {
            return Err(Error::Missing);
        }
        let descent = trie.descend(prefix);
        let entry = descent.found(trie, prefix).ok_or(Error::Missing)?;
        let place = match descent.end {
            End::Item {
                node,
                item,
                slot: Some(slot),
            } => Some((
                Place {
                    slot: descent.slot,
                    node,
                },
                item,
                slot,
            )),
            _ => descent.above.map(|above| {
                (
                    above,
                    Item::of(prefix.data(), prefix.prefixlen(), above.node.depth()),
                    descent.slot,
                )
            }),
        };
        let Some((place, item, slot)) = place else {
            if !mem.reserve(1) {
                return Err(Error::NoMemory);
            }
            trie.publish_entrance(prefix, Raw::VACANT);
            self.retire_entry(mem, entry);
            return Ok(());
        };
        match rest(place.node, slot, trie.stats.vacant()) {
            Rest::More => {
                if !mem.reserve(2) {
                    return Err(Error::NoMemory);
                }
                if !place.node.take::<M>(item) {
                    match copy(
                        mem,
                        place.node,
                        Edit::Drop(item),
                        &[place.node.skip()],
                        self.trie.stats.vacant(),
                    ) {
                        Some(new) => self.publish(
                            place.slot,
                            new,
                            mem,
                            Some((place.node.ptr(), place.node.layout())),
                        ),
                        None => self.vacate(place.node, item),
                    }
                }
            }
            Rest::One(last, last_slot) => {
                if !mem.reserve(3) {
                    return Err(Error::NoMemory);
                }
                self.give_place(mem, place, item, last, last_slot);
            }
            Rest::Nothing => return self.unhook(mem, prefix, entry),
        }
        self.retire_entry(mem, entry);
        Ok(())
    }

    /// Puts the one item that stays into the place of its node; `removed` is the slot of the other
    /// one.
    fn give_place<M: Memory>(
        &mut self,
        mem: &mut M,
        place: Place<'_>,
        removed: Item,
        last: Item,
        last_slot: &Slot,
    ) {
        let node = place.node;
        match (last, last_slot.load()) {
            (Item::Child(byte), Link::Node(child)) => {
                let skip: &[&[u8]] = &[node.skip(), &[byte], child.skip()];
                let Some(new) = copy(mem, child, Edit::Keep, skip, self.trie.stats.vacant()) else {
                    return self.vacate(node, removed);
                };
                let layout = child.layout();
                self.publish(place.slot, new, mem, Some((node.ptr(), node.layout())));
                self.trie.stats.shrank(M::size_of(layout) as u64);
                // SAFETY: the node above it was the only way to the child, and is out of reach;
                // retired this once.
                unsafe { mem.retire(child.ptr(), layout) };
            }
            (_, Link::Entry(entry, _)) => {
                let start = node.depth() - node.skip().len();
                place.slot.publish(entry.leaf(&self.trie.geometry, start));
                self.retire_node(mem, node);
            }
            // An item that stays is not vacant, and only children are nodes.
            _ => self.vacate(node, removed),
        }
    }

    /// Removes an entry that is the last of its node, with the node and those above it that held
    /// nothing else.
    #[cold]
    fn unhook<M: Memory>(
        &mut self,
        mem: &mut M,
        prefix: Prefix<'_>,
        entry: EntryRef<'_>,
    ) -> Result<(), Error> {
        let trie = self.trie;
        let (entrance, _) = trie.entrance(prefix);
        let (mut cut, mut slot) = (None, entrance);
        let mut blocks = 1;
        trie.descend_noting(prefix, |place, item| {
            blocks += 1;
            if let Some(below) = place.node.slot(item) {
                if !matches!(rest(place.node, below, true), Rest::Nothing) {
                    (cut, slot, blocks) = (Some((place.node, item)), below, 1);
                }
            }
        });
        if !mem.reserve(blocks) {
            return Err(Error::NoMemory);
        }
        let mut link = slot.load();
        match cut {
            None => trie.publish_entrance(prefix, Raw::VACANT),
            Some((node, item)) => self.vacate(node, item),
        }
        while let Link::Node(node) = link {
            link = node
                .slots()
                .iter()
                .map(Slot::load)
                .find(|link| !matches!(link, Link::Vacant))
                .unwrap_or(Link::Vacant);
            self.retire_node(mem, node);
        }
        self.retire_entry(mem, entry);
        Ok(())
    }

    /// Takes a node's item away without a copy of the node.
    fn vacate(&mut self, node: NodeRef<'_>, item: Item) {
        self.trie.stats.set_vacant();
        if !node.take_anyway(item) {
            let slot = node.slot(item).into_iter();
            slot.for_each(|slot| slot.publish(Raw::VACANT));
        }
    }

    fn retire_node<M: Memory>(&mut self, mem: &mut M, node: NodeRef<'_>) {
        let layout = node.layout();
        self.trie.stats.shrank(M::size_of(layout) as u64);
        // SAFETY: callers have put something else into the one slot that led to the node; it is
        // retired this once.
        unsafe { mem.retire(node.ptr(), layout) };
    }

    fn retire_entry<M: Memory>(&mut self, mem: &mut M, entry: EntryRef<'_>) {
        let layout = self.trie.geometry.entry_layout();
        self.trie.stats.shrank(M::size_of(layout) as u64);
        self.trie.stats.entries(-1);
        // SAFETY: callers have put something else into the one slot that led to the entry; it is
        // retired this once.
        unsafe { mem.retire(entry.ptr(), layout) };
    }
}

/// What a node keeps when the item in `slot` goes; `vacant`: there may be vacant slots, which are
/// not counted.
fn rest<'a>(node: NodeRef<'a>, slot: &Slot, vacant: bool) -> Rest<'a> {
    if !vacant && node.slots().len() > 2 {
        return Rest::More;
    }
    let mut live = node
        .items()
        .filter(|(_, other)| !core::ptr::eq(*other, slot) && !other.raw().is_vacant());
    match (live.next(), live.next()) {
        (None, _) => Rest::Nothing,
        (Some((item, slot)), None) => Rest::One(item, slot),
        _ => Rest::More,
    }
}
