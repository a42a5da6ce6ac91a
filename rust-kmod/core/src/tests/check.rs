// SPDX-License-Identifier: GPL-2.0
//! The structural checker: everything that must be true of a trie at rest.

use super::heap::{size_class, Heap};
use crate::{
    build::Item,
    direct::Direct,
    entry::EntryRef,
    groups::{Count, Groups, GROUP},
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
    wasteful: u64,
}

pub(super) fn check(trie: &Trie, heap: &Heap, vacant: bool) {
    let mut walk = Walk {
        trie,
        vacant,
        blocks: HashMap::new(),
        entries: 0,
        wasteful: 0,
    };
    match trie.direct() {
        None => walk.link(&trie.root, &mut Vec::new(), None),
        Some(direct) => walk.direct(direct),
    }
    walk.leftover();
    let live: HashMap<usize, Layout> = heap.live().collect();
    assert_eq!(
        walk.blocks, live,
        "blocks that are reachable are those that are allocated, with the same layouts"
    );
    assert_eq!(walk.entries, trie.len(), "len is the number of entries");
    assert_eq!(
        walk.wasteful,
        trie.stats.wasteful(),
        "nodes that would be smaller are counted"
    );
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

    /// Nodes that wait for room to retire them.
    fn leftover(&mut self) {
        let mut link = self.trie.leftover.load();
        while let Link::Node(node) = link {
            self.add(node.ptr().addr().get(), node.layout());
            self.wasteful += u64::from(node.is_wasteful::<Heap>());
            let mut below = node.slots().iter().filter(|slot| !slot.raw().is_vacant());
            link = below.next().map_or(Link::Vacant, Slot::load);
            assert!(below.next().is_none(), "a chain does not branch");
        }
        assert!(matches!(link, Link::Vacant), "a chain holds no entry");
    }

    /// By the bitmap of ends: a slot whose bit is missing would leave its blocks unreachable.
    fn direct(&mut self, direct: &Direct) {
        let mut from = 0;
        while let Some(end) = direct.end_from(from) {
            let mut occupied = false;
            for len in (0..=Direct::STRIDE).rev() {
                if Direct::end(end, len) != end {
                    break;
                }
                let slot = direct.item(end, len);
                occupied |= !slot.raw().is_vacant();
                if len == Direct::STRIDE {
                    self.link(slot, &mut (end as u16).to_be_bytes().to_vec(), None);
                } else if let Link::Entry(entry, _) = slot.load() {
                    let longest = direct.longest(end & !((1 << (Direct::STRIDE - len)) - 1));
                    let longest = longest.map(|entry| entry.prefixlen(&self.trie.geometry));
                    assert!(longest >= Some(len), "lookups find a short prefix");
                    let prefixlen = entry.prefixlen(&self.trie.geometry);
                    assert_eq!(prefixlen, len, "a short prefix is in its own slot");
                    let path = &end.to_be_bytes()[6..][..len as usize / 8];
                    self.entry(entry, path, None);
                }
            }
            assert!(occupied, "the bitmap says where items end");
            from = end + 1;
        }
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
        self.wasteful += u64::from(node.is_wasteful::<Heap>());
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
        match node.groups() {
            None => assert_eq!(
                node.items().count(),
                node.slots().len(),
                "each slot belongs to a bit"
            ),
            Some((groups, room)) => self.groups(node, groups, room, live),
        }
        for (item, slot) in node.items() {
            let by_rank = node.slot(item).expect("the bit is set");
            assert!(
                core::ptr::eq(by_rank, slot),
                "each item of a node has its own slot, {} has another",
                item.number()
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

    fn groups(&self, node: NodeRef<'_>, groups: &Groups, room: usize, live: usize) {
        let shape = node.shape();
        let count = Count::of(&shape.internal, &shape.child);
        assert_eq!(count.items, live, "what is in a slot has its bit");
        assert_eq!(groups.count(), count, "the counts are those of the bitmaps");
        let mut numbers: Vec<usize> = (0..512)
            .filter_map(|item| groups.slot_number(Item::numbered(item)))
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(
            numbers,
            (0..numbers.len()).collect::<Vec<_>>(),
            "each group has a number of its own, and they follow each other"
        );
        assert!(
            numbers.len() <= GROUP * room,
            "groups are where there is room"
        );
        let (layout, _) = count.layout::<Heap>(node.skip().len());
        assert!(
            self.vacant || size_class(layout.size()) == size_class(node.layout().size()),
            "a fresh node of these items takes as much"
        );
    }
}
