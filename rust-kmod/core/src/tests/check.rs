// SPDX-License-Identifier: GPL-2.0
//! The structural checker: everything that must be true of a trie at rest.

use super::heap::{size_class, Heap};
use crate::{
    entry::EntryRef,
    item::Item,
    node::{Link, NodeRef},
    packed::PACKED,
    slot::{Raw, Slot},
    small::SMALL,
    stride::base_index,
    Trie,
};
use core::{alloc::Layout, ptr::NonNull};
use std::{collections::HashMap, vec::Vec};

struct Walk<'a> {
    trie: &'a Trie,
    failed: bool,
    blocks: HashMap<usize, Layout>,
    entries: u64,
}

/// `failed`: memory may have failed, so there may be wasteful nodes.
pub(super) fn check(trie: &Trie, heap: &Heap, failed: bool) {
    let mut walk = Walk {
        trie,
        failed,
        blocks: HashMap::new(),
        entries: 0,
    };
    walk.link(&trie.root, &mut Vec::new(), None);
    walk.leftover();
    let live: HashMap<usize, Layout> = heap.live().collect();
    assert_eq!(
        walk.blocks, live,
        "the reachable blocks are the allocated ones, with the same layouts"
    );
    assert_eq!(walk.entries, trie.len(), "len is the number of entries");
    let bytes: usize = live.values().map(|layout| size_class(layout.size())).sum();
    assert_eq!(
        trie.bytes(),
        bytes as u64,
        "bytes is the sum of all blocks' size classes"
    );
}

fn items(node: NodeRef<'_>) -> Vec<(Item, &Slot)> {
    let mut items = Vec::new();
    node.for_each(|item, slot| items.push((item, slot)));
    items
}

impl Walk<'_> {
    fn add(&mut self, block: NonNull<u8>, layout: Layout) {
        let addr = block.addr().get();
        assert!(
            self.blocks.insert(addr, layout).is_none(),
            "only one slot leads to a block"
        );
        assert_eq!(addr % layout.align(), 0, "a block is aligned");
    }

    /// Nodes that wait for room to retire them.
    fn leftover(&mut self) {
        let mut link = self.trie.leftover.below();
        while let Link::Node(node) = link {
            for (block, layout) in node.blocks() {
                self.add(block, layout);
            }
            let mut below = items(node).into_iter();
            link = below.next().map_or(Link::Vacant, |(_, slot)| slot.below());
            assert!(below.next().is_none(), "a chain does not branch");
        }
        assert!(matches!(link, Link::Vacant), "a chain holds no entry");
    }

    /// `path` are the bytes that lead to the slot, `in_node` is the item that it belongs to.
    fn link(&mut self, slot: &Slot, path: &mut Vec<u8>, in_node: Option<Item>) {
        match slot.below() {
            Link::Vacant => {}
            Link::Entry(entry, exact) => {
                let ends = entry.prefixlen(&self.trie.geometry) as usize == 8 * path.len();
                let leaf = !matches!(in_node, Some(Item::Internal(_)));
                assert_eq!(
                    exact,
                    leaf && ends,
                    "the tag says which leaves end at their slot"
                );
                self.entry(entry, path, in_node)
            }
            Link::Node(node) => {
                assert!(
                    !matches!(in_node, Some(Item::Internal(_))),
                    "internal slots hold entries"
                );
                self.node(node, path);
            }
        }
    }

    fn entry(&mut self, entry: EntryRef<'_>, path: &[u8], in_node: Option<Item>) {
        let geometry = &self.trie.geometry;
        let (prefixlen, data) = (entry.prefixlen(geometry), entry.data(geometry));
        self.add(entry.ptr(), entry.layout(geometry));
        self.entries += 1;
        assert_eq!(&data[..path.len()], path, "an entry is on its path");
        let depth = path.len() as u32;
        match in_node {
            Some(Item::Internal(index)) => {
                assert_eq!(
                    prefixlen / 8,
                    depth,
                    "an internal prefix ends within the node's stride"
                );
                assert_eq!(
                    index,
                    base_index(
                        data.get(depth as usize).copied().unwrap_or(0),
                        prefixlen % 8
                    ),
                    "its base index is its last bits"
                );
            }
            _ => assert!(
                prefixlen >= 8 * depth,
                "a leaf's prefix reaches the slot that holds it"
            ),
        }
    }

    fn node(&mut self, node: NodeRef<'_>, path: &mut Vec<u8>) {
        for (block, layout) in node.blocks() {
            self.add(block, layout);
        }
        // A larger one may be wasteful, if its items are in few cache lines, or if it was promoted.
        let wasteful = match node {
            NodeRef::Small(_) => node.is_wasteful::<Heap>(),
            NodeRef::Packed(_) => node.live() < 3,
            NodeRef::Full(_) => node.live() < SMALL,
        };
        assert!(
            self.failed || !wasteful,
            "no node is wasteful if memory never failed: {} items in {} bytes",
            node.live(),
            node.blocks()
                .map(|(_, layout)| layout.size())
                .sum::<usize>()
        );
        let before = path.len();
        path.extend(node.skip());
        let items = items(node);
        assert_eq!(items.len(), node.live(), "an item has a slot");
        self.size(node, &items);
        self.slots_say_what_covers(node);
        for (item, slot) in items {
            match item {
                Item::Internal(_) => self.link(slot, path, Some(item)),
                Item::Child(byte) => {
                    path.push(byte);
                    self.link(slot, path, Some(item));
                    path.pop();
                }
            }
        }
        path.truncate(before);
    }

    fn size(&self, node: NodeRef<'_>, items: &[(Item, &Slot)]) {
        let numbers: Vec<_> = items.iter().map(|(item, _)| item.number()).collect();
        assert!(
            numbers.is_sorted(),
            "items are in order of their numbers: {numbers:?}"
        );
        match (node, items) {
            (_, []) => panic!("a node has an item"),
            (NodeRef::Small(_), [(_, slot)]) => assert!(
                self.failed
                    || matches!(
                        slot.below(),
                        Link::Node(NodeRef::Packed(_) | NodeRef::Full(_))
                    ),
                "a node with one item is in front of a larger one"
            ),
            (NodeRef::Small(node), _) => {
                assert!(node.len() <= SMALL, "{} items are not small", node.len());
            }
            (NodeRef::Packed(node), _) => {
                assert!(node.len() > SMALL, "{} items are small", node.len());
                assert!(node.len() <= PACKED, "{} items are full", node.len());
            }
            (NodeRef::Full(_), _) => {}
        }
    }

    fn slots_say_what_covers(&self, node: NodeRef<'_>) {
        let internals: Vec<_> = items(node)
            .into_iter()
            .filter_map(|(item, slot)| match item {
                Item::Internal(index) => Some((index, slot.entry()?)),
                Item::Child(_) => None,
            })
            .collect();
        for byte in 0..=u8::MAX {
            let Some(raw) = node.child(byte).map(Slot::raw) else {
                continue;
            };
            let covering = internals
                .iter()
                .rfind(|(index, _)| *index == base_index(byte, index.ilog2()));
            let cover = covering.map(|(_, entry)| *entry);
            assert_eq!(
                node.cover(byte, 7).map(EntryRef::ptr),
                cover.map(EntryRef::ptr),
                "the longest internal prefix is found"
            );
            let pushed = cover.map_or(Raw::VACANT, |entry| entry.pushed());
            let expected = match node {
                _ if raw.is_taken() => raw.with_fallback(cover.is_some()),
                NodeRef::Full(full) if full.in_array(byte).is_some() => pushed,
                _ => Raw::VACANT,
            };
            assert!(raw == expected, "a slot says whether its byte is covered");
        }
    }
}
