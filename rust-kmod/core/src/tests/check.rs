// SPDX-License-Identifier: GPL-2.0
//! The structural checker: everything that must be true of a trie at rest.

use super::heap::{size_class, Heap};
use crate::{
    build::Item,
    entry::EntryRef,
    node::NodeRef,
    slot::{Link, Slot},
    stride::base_index,
    Trie,
};
use core::alloc::Layout;
use std::{collections::HashMap, vec::Vec};

struct Walk<'a> {
    trie: &'a Trie,
    vacant: bool,
    blocks: HashMap<usize, Layout>,
    entries: u64,
    /// Below the root slot, beside a direct root.
    only_short: bool,
}

pub(super) fn check(trie: &Trie, heap: &Heap, vacant: bool) {
    let mut walk = Walk {
        trie,
        vacant,
        blocks: HashMap::new(),
        entries: 0,
        only_short: trie.direct().is_some(),
    };
    walk.link(&trie.root, &mut Vec::new(), None);
    if let Some(direct) = trie.direct() {
        walk.only_short = false;
        // A slot whose bit is missing would leave its blocks unreachable here.
        let mut from = 0;
        while let Some(index) = direct.occupied_from(from) {
            let slot = direct.slot(index);
            assert!(
                !slot.raw().is_vacant(),
                "the bitmap says which slots are occupied"
            );
            walk.link(slot, &mut (index as u16).to_be_bytes().to_vec(), None);
            from = index + 1;
        }
    }
    let live: HashMap<usize, Layout> = heap.live().collect();
    assert_eq!(
        walk.blocks, live,
        "blocks that are reachable are those that are allocated, with the same layouts"
    );
    assert_eq!(walk.entries, trie.len(), "len is the number of entries");
    let bytes: usize = live.values().map(|layout| size_class(layout.size())).sum();
    let direct = trie.direct().map_or(0, |_| Trie::DIRECT_LAYOUT.size());
    assert_eq!(
        trie.bytes(),
        (bytes + direct) as u64,
        "bytes is the sum of all blocks' size classes"
    );
}

impl Walk<'_> {
    fn add(&mut self, addr: usize, layout: Layout) {
        assert!(
            self.blocks.insert(addr, layout).is_none(),
            "only one slot leads to a block"
        );
    }

    /// `path` are the bytes that lead to the slot, `in_node` the item that it is of.
    fn link(&mut self, slot: &Slot, path: &mut Vec<u8>, in_node: Option<Item>) {
        match slot.load() {
            Link::Vacant => assert!(
                self.vacant || in_node.is_none(),
                "no vacant slots where memory never failed"
            ),
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
        self.add(entry.ptr().addr().get(), geometry.entry_layout());
        self.entries += 1;
        assert_eq!(&data[..path.len()], path, "an entry is on its path");
        let depth = path.len() as u32;
        assert!(
            !self.only_short || prefixlen < 16,
            "only short prefixes are beside the direct root"
        );
        match in_node {
            Some(Item::Internal(index)) => {
                assert_eq!(
                    prefixlen / 8,
                    depth,
                    "an internal prefix ends within the node's stride"
                );
                assert_eq!(
                    index,
                    base_index(data[depth as usize], prefixlen % 8),
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
        self.add(node.ptr().addr().get(), node.layout());
        let before = path.len();
        path.extend(node.skip());
        assert_eq!(
            path.len(),
            node.depth(),
            "depth is the number of bytes on the way, skipped ones included"
        );
        let live = node
            .slots()
            .iter()
            .filter(|slot| !slot.raw().is_vacant())
            .count();
        let least = if self.vacant { 1 } else { 2 };
        assert!(
            live >= least,
            "a node has {least} items or more, this one {live}"
        );
        assert_eq!(
            node.items().count(),
            node.slots().len(),
            "each slot belongs to a bit"
        );
        for (item, slot) in node.items() {
            let by_rank = item.slot_in(node).expect("the bit is set");
            assert!(
                core::ptr::eq(by_rank, slot),
                "the ranks in the head lead to the slot of {:?}",
                item.rank()
            );
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
}
