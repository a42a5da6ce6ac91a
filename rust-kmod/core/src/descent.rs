// SPDX-License-Identifier: GPL-2.0
//! The way to one exact prefix: where it is, or what stands where it would have to go.

use super::{
    build::Item,
    entry::EntryRef,
    node::NodeRef,
    prefix::Prefix,
    slot::{Link, Slot},
    Trie,
};

/// A node and the slot that leads to it.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) slot: &'a Slot,
    pub(super) node: NodeRef<'a>,
}

/// What a descent ended at.
pub(super) enum End<'a> {
    /// A slot that leads nowhere: an empty entrance, or a vacant child slot.
    Vacant,
    /// A leaf that shares `common` bits with the prefix.
    Leaf { leaf: EntryRef<'a>, common: u32 },
    /// A node that the prefix does not lead to: it ends or differs at depth `at`, within the
    /// skipped bytes.
    Beside { node: NodeRef<'a>, at: usize },
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
    pub(super) slot: &'a Slot,
    /// How many bytes lead to it.
    pub(super) start: usize,
    /// The node that holds `slot`; `None` if that is the entrance.
    pub(super) above: Option<Place<'a>>,
    pub(super) end: End<'a>,
}

impl Trie {
    /// Goes down to `prefix`; readers and the writer.
    pub(super) fn descend<'a>(&'a self, prefix: Prefix<'_>) -> Descent<'a> {
        self.descend_noting(prefix, |_, _| {})
    }

    /// As [`descend`](Self::descend), calling `note` for each node that the prefix leads into, and
    /// the item it leads through.
    pub(super) fn descend_noting<'a>(
        &'a self,
        prefix: Prefix<'_>,
        note: impl FnMut(Place<'a>, Item),
    ) -> Descent<'a> {
        self.descend_from(self.entrance(prefix), prefix, note)
    }

    /// As [`descend_noting`](Self::descend_noting), from a slot that a number of bytes lead to.
    pub(super) fn descend_from<'a>(
        &'a self,
        (mut slot, mut start): (&'a Slot, usize),
        prefix: Prefix<'_>,
        mut note: impl FnMut(Place<'a>, Item),
    ) -> Descent<'a> {
        let mut above = None;
        loop {
            let node = match slot.load() {
                Link::Vacant => {
                    return Descent {
                        slot,
                        start,
                        above,
                        end: End::Vacant,
                    }
                }
                Link::Entry(leaf, _) => {
                    let common = leaf.common(&self.geometry, prefix, start);
                    return Descent {
                        slot,
                        start,
                        above,
                        end: End::Leaf { leaf, common },
                    };
                }
                Link::Node(node) => node,
            };
            if let Some(at) = node.leaves_at(prefix) {
                return Descent {
                    slot,
                    start,
                    above,
                    end: End::Beside { node, at },
                };
            }
            let depth = node.depth();
            let item = Item::of(prefix.data(), prefix.prefixlen(), depth);
            note(Place { slot, node }, item);
            match (item, node.slot(item)) {
                (Item::Child(_), Some(child)) => {
                    above = Some(Place { slot, node });
                    (slot, start) = (child, depth + 1);
                }
                (_, found) => {
                    return Descent {
                        slot,
                        start,
                        above,
                        end: End::Item {
                            node,
                            item,
                            slot: found,
                        },
                    }
                }
            }
        }
    }
}

impl<'a> Descent<'a> {
    /// The entry of exactly the prefix that the descent was for.
    pub(super) fn found(&self, trie: &Trie, prefix: Prefix<'_>) -> Option<EntryRef<'a>> {
        match self.end {
            End::Leaf { leaf, common } => (common == prefix.prefixlen()
                && common == leaf.prefixlen(&trie.geometry))
            .then_some(leaf),
            End::Item {
                slot: Some(slot), ..
            } => match slot.load() {
                Link::Entry(entry, _) => Some(entry),
                _ => None,
            },
            _ => None,
        }
    }
}
