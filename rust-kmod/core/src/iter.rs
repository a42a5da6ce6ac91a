// SPDX-License-Identifier: GPL-2.0
//! Walking all entries in LPM_TRIE's get_next_key order: post-order, so longer prefixes before the
//! shorter ones that cover them, and the 0-branch before the 1-branch.
//!
//! With a directly indexed root there are two sequences to merge: the slots, by index, and the
//! prefixes that are too short for it, each of which comes after the last slot that it covers.

use super::{
    descent::End,
    direct::{index, Direct, START},
    entry::{Entry, EntryRef},
    prefix::Prefix,
    slot::Link,
    Reader, Trie,
};

/// How often a step is taken again when the writer empties the subtree that it leads into under its
/// feet: the state in which it does lasts for a few stores.
const ATTEMPTS: usize = 16;

/// Nodes that a descent remembers on its way down; where the way is longer and none of the last
/// ones helps, it is gone again.
const TRAIL: usize = 8;

/// A subtree had an entry when it was entered, and none where it was looked for.
struct Emptied;

/// What comes next.
type Step<'a> = Result<Option<EntryRef<'a>>, Emptied>;

impl Trie {
    /// The first entry.
    pub fn first<'e>(&'e self, reader: &'e Reader) -> Option<Entry<'e>> {
        self.next(reader, None)
    }

    /// The entry after the one of exactly `prefix`, or the first one if there is no such entry or
    /// `prefix` is `None`.
    ///
    /// One descent, no allocation; `prefix` need not come from a walk.
    pub fn next<'e>(&'e self, reader: &'e Reader, prefix: Option<Prefix<'_>>) -> Option<Entry<'e>> {
        let _ = reader;
        let prefix = prefix.filter(|prefix| prefix.data().len() == self.geometry.data_size());
        let step = |_| match prefix {
            Some(prefix) => self.step_after(prefix),
            None => self.step_first(),
        };
        let entry = (0..ATTEMPTS).map(step).find_map(Result::ok)??;
        Some(Entry::new(entry, &self.geometry))
    }

    fn step_first(&self) -> Step<'_> {
        let root = self.root.load();
        match self.direct() {
            Some(direct) => self.merge(direct, 0, root),
            None => leftmost(root),
        }
    }

    fn step_after(&self, prefix: Prefix<'_>) -> Step<'_> {
        let mut trail = [None; TRAIL];
        let mut count = 0;
        let descent = self.descend_noting(prefix, |place, item| {
            trail[count % TRAIL] = Some((place.node, u32::from(item.rank())));
            count += 1;
        });
        if descent.found(self, prefix).is_none() {
            return self.step_first();
        }
        // The deepest node that has a successor has the one that comes next.
        let mut next = (1..=count.min(TRAIL))
            .find_map(|back| {
                trail[(count - back) % TRAIL].and_then(|(node, rank)| node.following(rank))
            })
            .unwrap_or(Link::Vacant);
        if matches!(next, Link::Vacant) && count > TRAIL {
            self.descend_noting(prefix, |place, item| {
                next = place.node.following(u32::from(item.rank())).unwrap_or(next);
            });
        }
        match self.direct() {
            Some(direct) if prefix.depth() < START => self.merge(direct, after_last(prefix), next),
            Some(direct) if matches!(next, Link::Vacant) => {
                self.merge(direct, index(prefix.data()) + 1, self.short_after(prefix))
            }
            _ => leftmost(next),
        }
    }

    /// The first of the slots from index `from` on and the short prefixes from `short` on.
    fn merge<'e>(&'e self, direct: &'e Direct, mut from: usize, short: Link<'e>) -> Step<'e> {
        let short = leftmost(short)?;
        let end = match short {
            Some(entry) => {
                let (prefixlen, data) =
                    (entry.prefixlen(&self.geometry), entry.data(&self.geometry));
                Prefix::new(&self.geometry, prefixlen, data).map_or(0, after_last)
            }
            None => usize::MAX,
        };
        while let Some(index) = direct.occupied_from(from).filter(|index| *index < end) {
            // A slot that was emptied meanwhile is passed over.
            if let Ok(Some(entry)) = leftmost(direct.slot(index).load()) {
                return Ok(Some(entry));
            }
            from = index + 1;
        }
        Ok(short)
    }

    /// The first prefix in the trie of short ones that comes after the slot that `prefix` is below.
    fn short_after(&self, prefix: Prefix<'_>) -> Link<'_> {
        let mut next = Link::Vacant;
        let slot = prefix.cut(8 * START as u32);
        let descent = self.descend_from((&self.root, 0), slot, |place, item| {
            next = place.node.following(u32::from(item.rank())).unwrap_or(next);
        });
        match descent.end {
            // It covers the slot, or is in the 1-branch where they part.
            End::Leaf { leaf, common }
                if common == leaf.prefixlen(&self.geometry) || !slot.bit(common) =>
            {
                Link::Entry(leaf, false)
            }
            End::Beside { node, at }
                if node.skip().get(at - descent.start) > Some(&slot.byte(at)) =>
            {
                Link::Node(node)
            }
            _ => next,
        }
    }
}

/// The index after the last slot that a short prefix covers.
fn after_last(prefix: Prefix<'_>) -> usize {
    (index(prefix.data()) | 0xffff >> prefix.prefixlen().min(16)) + 1
}

/// The first entry at or below `link`; `None` if that is vacant.
fn leftmost(mut link: Link<'_>) -> Step<'_> {
    if matches!(link, Link::Vacant) {
        return Ok(None);
    }
    loop {
        match link {
            Link::Vacant => return Err(Emptied),
            Link::Entry(entry, _) => return Ok(Some(entry)),
            Link::Node(node) => link = node.following(0).ok_or(Emptied)?,
        }
    }
}
