// SPDX-License-Identifier: GPL-2.0
//! Cleaning up after removals: nodes that are larger than their items need, and nodes that no
//! reader finds any more. A removal does so itself; if it lacks memory, a number of later updates
//! look for such nodes on their way.

use super::{
    build::{copy, copy_rest, front},
    descent::Place,
    item::Item,
    memory::{Memory, MAX_NODES},
    node::{Link, NodeRef},
    packed::{self, PACKED},
    prefix::Prefix,
    slot::{Raw, Slot},
    small::{self, SMALL},
    Writer, DATA_SIZE_MAX,
};

/// How many nodes, counted from the lowest on the way to a prefix, an update of it may make
/// wasteful: the one that loses an item, the one above it if the item was a node, and one in front
/// of that.
pub(super) const LOWEST: usize = 3;

/// There was no memory for a smaller node.
struct NoMemory;

/// How many nodes one operation makes smaller at most.
const TIDIED: usize = 4;

/// A full node with no more items than this becomes a packed one: fewer than those that made it
/// full, so that a single prefix that comes and goes does not copy it repeatedly.
const FULL_LEAST: usize = PACKED * 2 / 3;

/// See [`NodeRef::is_wasteful_without`].
const CROWDED: usize = 3;
/// See there: as many items in a line, or in eight of them.
const POPULATED: (usize, usize) = (4, 24);

/// Whether a packed node of `slots` slots, `live` of them not vacant, is worth a copy: one that
/// takes at most half as much, with room for a third more items.
fn packed_is_wasteful<M: Memory>(live: usize, slots: usize) -> bool {
    2 * M::size_of(packed::layout(live + live / 3)) <= M::size_of(packed::layout(slots))
}

impl NodeRef<'_> {
    /// Whether the node is worth replacing: by a smaller one, or by its only item.
    pub(super) fn is_wasteful<M: Memory>(self) -> bool {
        match self {
            NodeRef::Small(node) => {
                let replaceable = || match self.any_item() {
                    None => true,
                    Some((_, slot)) => !matches!(
                        slot.below(),
                        Link::Node(NodeRef::Packed(_) | NodeRef::Full(_))
                    ),
                };
                let live = self.live();
                let smaller = small::layout(live, node.skip().len());
                live <= 1 && replaceable() || M::size_of(smaller) < M::size_of(node.layout())
            }
            NodeRef::Packed(node) => {
                let live = self.live();
                live < SMALL || packed_is_wasteful::<M>(live, node.len())
            }
            NodeRef::Full(node) => {
                let rest = node.rest();
                self.live_upto(FULL_LEAST + 1) <= FULL_LEAST
                    || packed_is_wasteful::<M>(NodeRef::Packed(rest).live(), rest.len())
            }
        }
    }

    /// As [`is_wasteful`](Self::is_wasteful), after `item` became vacant.
    ///
    /// To count all items would read all cache lines of a node. Those of a packed node are not
    /// counted if there are [`CROWDED`] of them in this one's line, nor those of a full node if the
    /// slots around this one are [`POPULATED`]. So a full node may stay full with as few as 20
    /// items, four in each of five lines, for which LPM_TRIE takes as much memory.
    pub(super) fn is_wasteful_without<M: Memory>(self, item: Item) -> bool {
        match (self, item) {
            (NodeRef::Small(_), _) => self.is_wasteful::<M>(),
            (NodeRef::Full(_), Item::Child(_)) => {
                self.live_near::<8>(item) < POPULATED.0
                    && self.live_near::<64>(item) < POPULATED.1
                    && self.live_upto(FULL_LEAST + 1) <= FULL_LEAST
            }
            _ => self.live_near::<8>(item) < CROWDED && self.is_wasteful::<M>(),
        }
    }
}

impl Writer<'_> {
    /// Keeps a chain of nodes, to which nothing leads any more, until they are retired: `first`,
    /// then each in the only slot of the one before. `end` is the slot of the last one.
    pub(super) fn leave(&mut self, first: Raw, end: &Slot) {
        let leftover = &self.trie.leftover;
        // Readers who are still in the chain may continue into older ones: there is nothing to find
        // in any of them.
        end.publish(leftover.raw());
        leftover.publish(first);
    }

    /// Cleans up leftovers, in time bounded by the length of a key. Called after each change on the
    /// way to `prefix`.
    pub(super) fn tidy<M: Memory>(&mut self, mem: &mut M, prefix: Prefix<'_>) {
        if !self.trie.leftover.raw().is_vacant() {
            self.drain(mem);
        }
        if self.trie.stats.attention() {
            self.shrink_all(mem, prefix, DATA_SIZE_MAX.into());
        }
    }

    /// Replaces wasteful nodes among the last `count` ones on the way to `prefix`, and those that
    /// become so.
    #[cold]
    pub(super) fn shrink_all<M: Memory>(&mut self, mem: &mut M, prefix: Prefix<'_>, count: usize) {
        let mut nodes = 0;
        self.trie.descend_noting(prefix, |_, _| nodes += 1);
        let mut first = nodes - count.min(nodes);
        for _ in 0..TIDIED {
            match self.shrink_one(mem, prefix, first) {
                // The one above may be merged with one that became small.
                Ok(Some(level)) => first = level.saturating_sub(1),
                Ok(None) => return,
                Err(NoMemory) => return self.trie.stats.attend(),
            }
        }
    }

    /// Retires unlinked nodes, at most as many as a chain may have.
    #[cold]
    fn drain<M: Memory>(&mut self, mem: &mut M) {
        let leftover = &self.trie.leftover;
        // A full node has two blocks.
        const NODES: usize = MAX_NODES / 2;
        for _ in 0..DATA_SIZE_MAX as usize / NODES {
            if leftover.raw().is_vacant() || !mem.reserve(MAX_NODES, 0) {
                return;
            }
            for _ in 0..NODES {
                let Link::Node(node) = leftover.below() else {
                    return;
                };
                let below = node.any_item();
                let below = below.map_or(Raw::VACANT, |(_, slot)| slot.raw());
                leftover.publish(below.with_fallback(false));
                for (block, layout) in node.blocks() {
                    self.retire_block(mem, block, layout);
                }
            }
        }
    }

    /// Replaces the first wasteful node from level `first` on, on the way to `prefix`, and returns
    /// its level, if there is one.
    fn shrink_one<M: Memory>(
        &mut self,
        mem: &mut M,
        prefix: Prefix<'_>,
        first: usize,
    ) -> Result<Option<usize>, NoMemory> {
        let (mut level, mut wasteful) = (0, None);
        self.trie.descend_noting(prefix, |place, _| {
            if level >= first && wasteful.is_none() && place.node.is_wasteful::<M>() {
                wasteful = Some((level, place));
            }
            level += 1;
        });
        let Some((level, place)) = wasteful else {
            return Ok(None);
        };
        // A full node's blocks, and a small one below it.
        if !mem.reserve(3, 0) {
            return Err(NoMemory);
        }
        self.shrink(mem, place, prefix).ok_or(NoMemory)?;
        Ok(Some(level))
    }

    /// `None`: no memory, and nothing has changed.
    fn shrink<M: Memory>(
        &mut self,
        mem: &mut M,
        place: Place<'_>,
        prefix: Prefix<'_>,
    ) -> Option<()> {
        let Place { way, node } = place;
        let live = node.live();
        let (item, slot) = node.any_item()?;
        let mut below = None;
        let new = match (node, item, slot.below()) {
            (_, _, Link::Entry(entry, _)) if live == 1 => {
                way.publish(prefix, entry.leaf(&self.trie.geometry, way.start));
                self.retire_node(mem, node);
                return Some(());
            }
            (_, Item::Child(byte), Link::Node(child)) if live == 1 => match child {
                NodeRef::Small(_) => {
                    below = Some(child);
                    copy(mem, child, None, [node.skip(), &[byte], child.skip()])?
                }
                _ => front(mem, node.skip(), byte, child)?,
            },
            (NodeRef::Full(full), ..) if live > FULL_LEAST => {
                let old = full.rest();
                let new = copy_rest(mem, old, None)?;
                self.replace_rest(mem, full, old, new);
                return Some(());
            }
            _ => copy(mem, node, None, [node.skip(), &[], &[]])?,
        };
        self.publish::<M>(&way, prefix, new);
        self.retire_node(mem, node);
        if let Some(below) = below {
            self.retire_node(mem, below);
        }
        Some(())
    }
}
