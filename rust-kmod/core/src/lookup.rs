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

/// What a descent found.
enum Match<'a> {
    /// A leaf, than which nothing is longer.
    Leaf(EntryRef<'a>),
    /// An internal or short prefix, or nothing, where no leaf was.
    Shorter(Option<EntryRef<'a>>),
}

impl Trie {
    /// The entry with the longest prefix that covers `key`, no longer than the key itself: the one
    /// that was the longest at some moment during the call.
    ///
    /// Any context. Constant stack, no allocation, no lock. The number of steps is bounded by the
    /// key's bytes, and is taken again only if a writer inserted or removed a prefix meanwhile.
    #[inline(always)]
    pub fn longest_match<'e>(&'e self, reader: &'e Reader, key: Prefix<'_>) -> Option<Entry<'e>> {
        let _ = reader;
        // A copy, of which the compiler can know that it does not change.
        let geometry = self.geometry;
        if key.data().len() != geometry.data_size() {
            return None;
        }
        let count = self.changes.now();
        let entry = match self.start(key) {
            Some(start) => self.descend_for(&geometry, start, key, count),
            None => self.unless_changed(count, key, self.short(key)),
        };
        Some(Entry::new(entry?, &self.geometry))
    }

    /// The slot of a directly indexed root, or the root, and how many bytes of `key` lead there;
    /// `None`: `key` is shorter than what leads to such a slot.
    #[inline(always)]
    fn start(&self, key: Prefix<'_>) -> Option<(&Slot, usize)> {
        match self.direct() {
            None => Some((&self.root, 0)),
            Some(direct) if key.depth() >= START => Some((direct.child(index(key.data())), START)),
            Some(_) => None,
        }
    }

    /// The longest prefix in a directly indexed root itself.
    #[inline(always)]
    fn short(&self, key: Prefix<'_>) -> Option<EntryRef<'_>> {
        let (direct, index) = (self.direct()?, index(key.data()));
        if key.depth() >= START {
            direct.longest(index)
        } else {
            direct.longest_upto(index, key.prefixlen())
        }
    }

    /// `found`, which is no leaf, if no prefix came or went since the count of changes was `count`.
    #[inline(always)]
    fn unless_changed<'e>(
        &'e self,
        count: u64,
        key: Prefix<'_>,
        found: Option<EntryRef<'e>>,
    ) -> Option<EntryRef<'e>> {
        if self.changes.stand_at(count) {
            found
        } else {
            self.look_again(key)
        }
    }

    /// The longest match, where a slot that a number of bytes of `key` lead to is on the way.
    // Always inlined: a caller that knows how long keys are makes it shorter.
    #[inline(always)]
    fn descend_for<'e>(
        &'e self,
        geometry: &Geometry,
        (mut slot, mut start): (&'e Slot, usize),
        key: Prefix<'_>,
        count: u64,
    ) -> Option<EntryRef<'e>> {
        // The last two nodes on the way that may have internal prefixes, and whether there were
        // more.
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
            if node.may_have_internals() {
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
                    Some(Link::Entry(entry, _)) => self.unless_changed(count, key, Some(entry)),
                    _ => self.look_again(key),
                };
            }
        }
        if more {
            return self.look_again(key);
        }
        self.unless_changed(count, key, self.short(key))
    }

    /// Looks in every node on the way, until no prefix comes or goes meanwhile.
    ///
    /// For when one did, none of the remembered nodes has a match, or its slot is vacant.
    #[cold]
    fn look_again(&self, key: Prefix<'_>) -> Option<EntryRef<'_>> {
        loop {
            let count = self.changes.now();
            let found = match self.start(key) {
                Some(start) => self.descend_testing(start, key),
                None => Match::Shorter(None),
            };
            let found = match found {
                Match::Leaf(leaf) => return Some(leaf),
                Match::Shorter(found) => found.or_else(|| self.short(key)),
            };
            if self.changes.stand_at(count) {
                return found;
            }
        }
    }

    /// The longest match at or below a slot that a number of bytes of `key` lead to, in one pass.
    fn descend_testing<'e>(
        &'e self,
        (mut slot, mut start): (&'e Slot, usize),
        key: Prefix<'_>,
    ) -> Match<'e> {
        let mut best = None;
        loop {
            let node = match slot.load() {
                Link::Node(node) => node,
                Link::Entry(leaf, exact) if exact || leaf.covers(&self.geometry, key, start) => {
                    return Match::Leaf(leaf)
                }
                _ => break,
            };
            let depth = node.depth();
            if !node.on_path(key) {
                break;
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
                break;
            }
            let Some(next) = node.slot(Item::Child(byte)) else {
                break;
            };
            (slot, start) = (next, depth + 1);
        }
        Match::Shorter(best)
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
