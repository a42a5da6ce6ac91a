// SPDX-License-Identifier: GPL-2.0
//! What removals left for lack of memory, taken away by later writers: nodes that no
//! reader finds any more, and nodes that would be smaller, or not there at all, if there had been
//! memory for a copy.

use super::{
    build::{copy, Edit},
    descent::Place,
    groups::Count,
    memory::{Memory, MAX_NODES},
    node::NodeRef,
    prefix::Prefix,
    slot::{Link, Raw, Slot},
    Writer, DATA_SIZE_MAX,
};

/// Nodes that one operation makes smaller.
const TIDIED: usize = 4;

impl NodeRef<'_> {
    /// Whether a copy of the node would be smaller, or an item could give its place to.
    pub(super) fn is_wasteful<M: Memory>(self) -> bool {
        let live = self.live();
        live < 2
            || match self.groups() {
                Some((groups, _)) => !self.fits::<M>(groups.count()),
                None => live < self.slots().len(),
            }
    }

    /// Whether a node for so many items takes no smaller a block than this one.
    pub(super) fn fits<M: Memory>(self, count: Count) -> bool {
        let (needed, _) = count.layout::<M>(self.skip().len());
        M::size_of(needed) >= M::size_of(self.layout())
    }
}

impl Writer<'_> {
    /// Keeps the nodes from `first` on, each in the only slot of the one before, of which the last
    /// one's is `end`, until they are retired: nothing leads to them any more.
    pub(super) fn leave(&mut self, first: Raw, end: &Slot) {
        let leftover = &self.trie.leftover;
        // Readers who are still in the chain may walk on into older ones: there is nothing to find
        // in any of them.
        end.publish(leftover.raw());
        leftover.publish(first);
    }

    /// Takes away leftovers, in time bounded by the length of a key. Called after each change on
    /// the way to `prefix`.
    pub(super) fn tidy<M: Memory>(&mut self, mem: &mut M, prefix: Prefix<'_>) {
        if !self.trie.leftover.raw().is_vacant() {
            self.drain(mem);
        }
        for _ in 0..TIDIED {
            if self.trie.stats.wasteful() == 0 || !self.shrink_one(mem, prefix) {
                return;
            }
        }
    }

    /// Retires unlinked nodes, as many as a chain may have at most.
    #[cold]
    fn drain<M: Memory>(&mut self, mem: &mut M) {
        let leftover = &self.trie.leftover;
        for _ in 0..DATA_SIZE_MAX as usize / MAX_NODES {
            if leftover.raw().is_vacant() || !mem.reserve(MAX_NODES, 0) {
                return;
            }
            for _ in 0..MAX_NODES {
                let Link::Node(node) = leftover.load() else {
                    return;
                };
                let mut below = node.slots().iter().map(Slot::raw);
                let below = below.find(|raw| !raw.is_vacant());
                leftover.publish(below.unwrap_or(Raw::VACANT));
                self.retire_node(mem, node);
            }
        }
    }

    /// Puts a smaller copy, or the item that is left, into the place of the first wasteful node on
    /// the way to `prefix`. `false`: there is none, or no memory.
    #[cold]
    fn shrink_one<M: Memory>(&mut self, mem: &mut M, prefix: Prefix<'_>) -> bool {
        let mut wasteful = None;
        self.trie.descend_noting(prefix, |place, _| {
            if wasteful.is_none() && place.node.is_wasteful::<M>() {
                wasteful = Some(place);
            }
        });
        let Some(Place { slot, node }) = wasteful else {
            return false;
        };
        if !mem.reserve(2, 0) {
            return false;
        }
        if node.live() < 2 {
            let mut items = node.items().filter(|(_, slot)| !slot.raw().is_vacant());
            return items.next().is_some_and(|(last, last_slot)| {
                self.give_place(mem, Place { slot, node }, last, last_slot)
            });
        }
        let Some(new) = copy(mem, node, Edit::Keep, &[node.skip()]) else {
            return false;
        };
        self.publish(mem, slot, new, Some(node));
        true
    }
}
