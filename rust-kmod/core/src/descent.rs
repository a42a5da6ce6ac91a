// SPDX-License-Identifier: GPL-2.0
//! The way to one exact prefix: where it is, or what is in the place where it would go.

use super::{
    entry::EntryRef,
    item::Item,
    node::{Link, NodeRef},
    prefix::Prefix,
    slot::Slot,
    Trie,
};

/// A slot on the way down.
#[derive(Clone, Copy)]
pub(super) struct Way<'a> {
    pub(super) slot: &'a Slot,
    /// How many bytes lead to it.
    pub(super) start: usize,
    /// The node that it is in, if it is not the root.
    pub(super) holder: Option<NodeRef<'a>>,
}

/// A node and the way to it.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) way: Way<'a>,
    pub(super) node: NodeRef<'a>,
}

impl Place<'_> {
    /// The index of the byte that the node looks at.
    pub(super) fn depth(&self) -> usize {
        self.way.start + self.node.skip().len()
    }
}

/// What a descent ended at.
pub(super) enum End<'a> {
    /// A slot that leads nowhere.
    Vacant,
    /// A leaf that shares `common` bits with the prefix.
    Leaf { leaf: EntryRef<'a>, common: u32 },
    /// A node that the prefix does not lead to: it ends or differs at depth `at`, within the
    /// skipped bytes.
    Outside { node: NodeRef<'a>, at: usize },
    /// A node that has, or should have, this item.
    Item {
        node: NodeRef<'a>,
        item: Item,
        slot: Option<&'a Slot>,
    },
}

/// Where a prefix is or belongs.
pub(super) struct Descent<'a> {
    /// The slot that led to the end.
    pub(super) way: Way<'a>,
    pub(super) end: End<'a>,
}

impl Trie {
    /// Descends to `prefix`. For readers and the writer.
    pub(super) fn descend<'a>(&'a self, prefix: Prefix<'_>) -> Descent<'a> {
        self.descend_noting(prefix, |_, _| {})
    }

    /// As [`descend`](Self::descend), calling `note` for each node that the prefix leads into, and
    /// the item it leads through.
    pub(super) fn descend_noting<'a>(
        &'a self,
        prefix: Prefix<'_>,
        mut note: impl FnMut(Place<'a>, Item),
    ) -> Descent<'a> {
        let mut way = Way {
            slot: &self.root,
            start: 0,
            holder: None,
        };
        let end = loop {
            let node = match way.slot.below() {
                Link::Vacant => break End::Vacant,
                Link::Entry(leaf, _) => {
                    let common = leaf.common(&self.geometry, prefix, way.start);
                    break End::Leaf { leaf, common };
                }
                Link::Node(node) => node,
            };
            if let Some(at) = node.leaves_at(prefix, way.start) {
                break End::Outside { node, at };
            }
            let place = Place { way, node };
            let depth = place.depth();
            let item = Item::of(prefix.data(), prefix.prefixlen(), depth);
            note(place, item);
            let slot = match item {
                Item::Child(byte) => node.child(byte),
                Item::Internal(_) => node.slot(item),
            };
            match (item, slot) {
                (Item::Child(_), Some(slot)) => {
                    way = Way {
                        slot,
                        start: depth + 1,
                        holder: Some(node),
                    };
                }
                (_, slot) => break End::Item { node, item, slot },
            }
        };
        Descent { way, end }
    }
}

impl<'a> Descent<'a> {
    /// The entry of exactly the prefix that the descent was for.
    pub(super) fn found(&self, trie: &Trie, prefix: Prefix<'_>) -> Option<EntryRef<'a>> {
        match self.end {
            End::Leaf { leaf, common } => (common == prefix.prefixlen()
                && common == leaf.prefixlen(&trie.geometry))
            .then_some(leaf),
            End::Item { slot, .. } => slot?.entry(),
            _ => None,
        }
    }
}
