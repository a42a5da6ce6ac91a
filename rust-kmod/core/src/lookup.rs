// SPDX-License-Identifier: GPL-2.0
//! The longest match, lock-free.
//!
//! The descent goes as deep as the key leads. A leaf that covers the key is the answer: no match is
//! longer. Otherwise the answer is in the last node on the way that has an internal prefix that
//! covers the key, which the slots on the way indicate (see `fallback.rs`); internal prefixes are
//! examined only then, because most lookups in real tables end at a leaf. Path bytes that
//! compression skipped are in the nodes, so nothing below a node that the key does not lead through
//! is ever considered.

use super::{
    changes::{undisturbed, Disturbed},
    entry::{Entry, EntryRef},
    node::Link,
    prefix::{Geometry, Prefix},
    slot::{Raw, Slot, Target},
    Reader, Trie,
};

/// What a lookup found, if it was not disturbed.
type Found<'a> = Result<Option<EntryRef<'a>>, Disturbed>;

impl Trie {
    /// The entry with the longest prefix that covers `key`; its prefixlen is at most the key's. It
    /// was the longest match at some moment during the call.
    ///
    /// Any context. Constant stack, no allocation, no lock. The number of steps is bounded by the
    /// key's bytes.
    ///
    /// # Errors
    ///
    /// [`Disturbed`] if writers inserted or removed prefixes during each of a few passes.
    #[inline]
    pub fn longest_match<'e>(
        &'e self,
        reader: &'e Reader,
        key: Prefix<'_>,
    ) -> Result<Option<Entry<'e>>, Disturbed> {
        let _ = reader;
        if key.data().len() != self.geometry.data_size() {
            return Ok(None);
        }
        // A copy, so that the compiler knows that it does not change.
        let geometry = self.geometry;
        let entry = self.descend_for(&geometry, key)?;
        Ok(entry.map(|entry| Entry::new(entry, &self.geometry)))
    }

    /// As [`longest_match`](Self::longest_match), but faster, for callers who know the size of
    /// keys: if `data` is not of the geometry's size, nothing is found.
    ///
    /// # Errors
    ///
    /// As [`longest_match`](Self::longest_match).
    #[inline(always)]
    pub fn longest_match_sized<'e, const N: usize>(
        &'e self,
        reader: &'e Reader,
        prefixlen: u32,
        data: &[u8; N],
    ) -> Result<Option<Entry<'e>>, Disturbed> {
        let _ = reader;
        let Some(geometry) = self.geometry.sized::<N>() else {
            return Ok(None);
        };
        let Some(key) = Prefix::new(&geometry, prefixlen, data) else {
            return Ok(None);
        };
        let entry = self.descend_for(&geometry, key)?;
        Ok(entry.map(|entry| Entry::new(entry, &self.geometry)))
    }

    /// The longest match in a trie of at most one entry, and so without nodes; `None` if there are
    /// nodes, and [`longest_match_sized`](Self::longest_match_sized) has to look.
    ///
    /// # Safety
    ///
    /// During `'e` the caller is in a section that delays the freeing of each entry that is retired
    /// after the section began. Nodes may be freed meanwhile.
    #[inline(always)]
    pub unsafe fn match_without_nodes<'e, const N: usize>(
        &'e self,
        prefixlen: u32,
        data: [u8; N],
    ) -> Option<Option<Entry<'e>>> {
        let Some(geometry) = self.geometry.sized::<N>() else {
            return Some(None);
        };
        let entry = match self.root.acquire().target() {
            Target::Vacant => None,
            // SAFETY: acquired from a slot of the trie, in a section that `'e` lies in.
            Target::Entry(ptr, _) => Some(unsafe { EntryRef::new(ptr) }),
            Target::Node(..) => return None,
        };
        let key = Prefix::new(&geometry, prefixlen, &data);
        let found = entry.filter(|leaf| key.is_some_and(|key| leaf.covers(&geometry, key, 0)));
        Some(found.map(|entry| Entry::new(entry, &self.geometry)))
    }

    #[inline(always)]
    fn descend_for<'e>(&'e self, geometry: &Geometry, key: Prefix<'_>) -> Found<'e> {
        let count = self.changes.now();
        let (mut raw, mut start) = (self.root.acquire(), 0);
        // The last node on the way whose internal prefixes cover the key, and its byte of the key.
        let mut last = None;
        let found = loop {
            // SAFETY: acquired from a slot of the trie, in the section that `'e` lies in.
            let node = match unsafe { Link::to(raw) } {
                Link::Node(node) => node,
                Link::Entry(leaf, exact) if exact || leaf.covers(geometry, key, start) => {
                    return Ok(Some(leaf))
                }
                _ => break None,
            };
            let mut depth = start;
            if !node.skip().is_empty() {
                if node.leaves_at(key, start).is_some() {
                    break None;
                }
                depth += node.skip().len();
            }
            if key.depth() <= depth {
                return self.look_again(key);
            }
            let byte = key.byte(depth);
            start = depth + 1;
            raw = node.child(byte).map_or(Raw::VACANT, Slot::acquire);
            if raw.is_vacant() {
                break node.cover_of_vacant(byte);
            }
            if raw.has_fallback() {
                last = Some((node, byte));
            }
        };
        let found = match (found, last) {
            (None, Some((node, byte))) => match node.cover(byte, 7) {
                // It was removed meanwhile, and there may be one further up.
                None => return self.look_again(key),
                found => found,
            },
            _ => found,
        };
        if self.changes.stand_at(count) {
            Ok(found)
        } else {
            self.look_again(key)
        }
    }

    /// Looks in every node on the way, and again if a prefix was inserted or removed meanwhile.
    ///
    /// For lookups during which one was, and for keys that end within a node.
    #[cold]
    fn look_again(&self, key: Prefix<'_>) -> Found<'_> {
        undisturbed(|| self.descend_testing(key))
    }

    /// The longest match, in one pass.
    ///
    /// The same words determine the result as in [`descend_for`](Self::descend_for), so that a
    /// lookup that ends here and one that ends there agree on the order of changes.
    fn descend_testing(&self, key: Prefix<'_>) -> Found<'_> {
        let count = self.changes.now();
        let (mut raw, mut start) = (self.root.acquire(), 0);
        let mut best = None;
        loop {
            // SAFETY: acquired from a slot of the trie, in the section that the result's lifetime
            // lies in.
            let node = match unsafe { Link::to(raw) } {
                Link::Node(node) => node,
                Link::Entry(leaf, exact) if exact || leaf.covers(&self.geometry, key, start) => {
                    return Ok(Some(leaf))
                }
                _ => break,
            };
            if node.leaves_at(key, start).is_some() {
                break;
            }
            let depth = start + node.skip().len();
            let byte = key.byte(depth);
            let beyond = key.prefixlen().saturating_sub(8 * depth as u32);
            if beyond < 8 {
                best = node.cover(byte, beyond).or(best);
                break;
            }
            raw = node.child(byte).map_or(Raw::VACANT, Slot::acquire);
            if raw.is_vacant() {
                best = node.cover_of_vacant(byte).or(best);
                break;
            }
            if raw.has_fallback() {
                best = node.cover(byte, 7).or(best);
            }
            start = depth + 1;
        }
        if self.changes.stand_at(count) {
            Ok(best)
        } else {
            Err(Disturbed)
        }
    }
}
