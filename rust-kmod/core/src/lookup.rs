// SPDX-License-Identifier: GPL-2.0
//! The longest match, lock-free.
//!
//! The descent goes as deep as the key leads. A leaf that covers the key is the answer: none is
//! longer. Otherwise the answer is in the last node on the way that has an internal prefix that
//! covers the key; nodes are looked at for that only then, because most lookups in real tables end
//! at a leaf. Path bytes that compression jumped over are in the nodes, so nothing below a node
//! that the key does not lead through is ever considered.

use super::{
    build::Item,
    direct::{index, START},
    entry::{Entry, EntryRef},
    node::NodeRef,
    prefix::{Geometry, Prefix},
    slot::{Link, Slot},
    stride::base_index,
    Reader, Trie,
};

impl Trie {
    /// The entry with the longest prefix that covers `key`, no longer than the key itself.
    ///
    /// Any context. Constant stack, no allocation, no lock; the number of steps is bounded by the
    /// key's bytes.
    #[inline(always)]
    pub fn longest_match<'e>(&'e self, reader: &'e Reader, key: Prefix<'_>) -> Option<Entry<'e>> {
        let _ = reader;
        // A copy, of which the compiler can know that it does not change.
        let geometry = self.geometry;
        if key.data().len() != geometry.data_size() {
            return None;
        }
        let (direct, index) = (self.direct(), index(key.data()));
        let (from, bytes) = match direct {
            None => (&self.root, 0),
            Some(direct) if key.depth() >= START => (direct.child(index), START),
            Some(direct) => {
                let short = direct.longest_upto(index, key.prefixlen())?;
                return Some(Entry::new(short, &self.geometry));
            }
        };
        let entry = match self.descend_for(&geometry, from, bytes, key) {
            None => direct?.longest(index)?,
            Some(entry) => entry,
        };
        Some(Entry::new(entry, &self.geometry))
    }

    /// The longest match at or below a slot that the first `bytes` bytes of `key` lead to.
    // Always inlined: a caller that knows how long keys are makes it shorter.
    #[inline(always)]
    fn descend_for<'e>(
        &'e self,
        geometry: &Geometry,
        from: &'e Slot,
        bytes: usize,
        key: Prefix<'_>,
    ) -> Option<EntryRef<'e>> {
        let (mut slot, mut start) = (from, bytes);
        // The last two nodes on the way with internal prefixes, and whether there were more.
        // Address keys of 4 bytes pass no more below a direct root; others rarely need them.
        let (mut last, mut other, mut more) = (None, None, false);
        loop {
            let node = match slot.load() {
                Link::Node(node) => node,
                Link::Entry(leaf, exact) if exact || leaf.covers(geometry, key, start) => {
                    return Some(leaf)
                }
                _ => break,
            };
            if !node.on_path(key) {
                break;
            }
            if node.has_internals() {
                more |= other.is_some();
                other = last.replace(node);
            }
            let depth = node.depth();
            if key.depth() <= depth {
                break;
            }
            let Some(next) = node.slot(Item::Child(key.byte(depth))) else {
                break;
            };
            (slot, start) = (next, depth + 1);
        }
        for node in last.into_iter().chain(other) {
            let index = longest_in(node, key);
            if index != 0 {
                return match node.slot(Item::Internal(index)).map(Slot::load) {
                    Some(Link::Entry(entry, _)) => Some(entry),
                    _ => self.descend_testing(from, bytes, key),
                };
            }
        }
        if more {
            return self.descend_testing(from, bytes, key);
        }
        None
    }

    /// As [`descend_for`](Self::descend_for), looking for internal prefixes, and into their slots,
    /// on the way: for when none of the remembered nodes had one, or it was vacant (which it is
    /// only after a removal that found no memory for a smaller node).
    #[cold]
    fn descend_testing<'e>(
        &'e self,
        from: &'e Slot,
        bytes: usize,
        key: Prefix<'_>,
    ) -> Option<EntryRef<'e>> {
        let (mut slot, mut start) = (from, bytes);
        let mut best = None;
        loop {
            let node = match slot.load() {
                Link::Node(node) => node,
                Link::Entry(leaf, exact) if exact || leaf.covers(&self.geometry, key, start) => {
                    return Some(leaf)
                }
                _ => return best,
            };
            let depth = node.depth();
            if !node.on_path(key) {
                return best;
            }
            let byte = key.byte(depth);
            let beyond = key.prefixlen().wrapping_sub(8 * depth as u32);
            let in_node = (0..=beyond.min(7)).rev().find_map(|len| {
                match node.slot(Item::Internal(base_index(byte, len)))?.load() {
                    Link::Entry(entry, _) => Some(entry),
                    _ => None,
                }
            });
            best = in_node.or(best);
            if beyond < 8 {
                return best;
            }
            let Some(next) = node.slot(Item::Child(byte)) else {
                return best;
            };
            (slot, start) = (next, depth + 1);
        }
    }
}

/// Base index of the longest prefix in `node` that covers `key`, which leads to the node; 0: none.
#[inline]
fn longest_in(node: NodeRef<'_>, key: Prefix<'_>) -> u8 {
    let depth = node.depth();
    if key.depth() > depth {
        node.longest(key.byte(depth))
    } else {
        node.longest_upto(key.byte(depth), key.rest())
    }
}
