// SPDX-License-Identifier: GPL-2.0
//! Walking all entries in LPM_TRIE's get_next_key order: post-order, so longer prefixes before the
//! shorter ones that cover them, and the 0-branch before the 1-branch.

use super::{
    entry::{Entry, EntryRef},
    node::Link,
    prefix::Prefix,
    slot::Slot,
    Reader, Trie,
};

/// Nodes that a descent remembers on its way down; where the way is longer and none of the last
/// ones helps, it is gone again.
const TRAIL: usize = 8;

/// A subtree had an entry when it was found, and none where it was looked for: the writer has
/// unlinked it meanwhile, or moved on in it. The step is taken again; some call always gets on.
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
    #[inline]
    pub fn next<'e>(&'e self, reader: &'e Reader, prefix: Option<Prefix<'_>>) -> Option<Entry<'e>> {
        let _ = reader;
        loop {
            let step = match prefix {
                Some(prefix) => self.step_after(prefix.prefixlen(), prefix.data()),
                None => self.step_first(),
            };
            if let Ok(entry) = step {
                return Some(Entry::new(entry?, &self.geometry));
            }
        }
    }

    fn step_first(&self) -> Step<'_> {
        if self.root.acquire().is_vacant() {
            return Ok(None);
        }
        leftmost(&self.root)
    }

    // The parts of a prefix are passed in registers.
    #[inline(never)]
    fn step_after(&self, prefixlen: u32, data: &[u8]) -> Step<'_> {
        let Some(prefix) = Prefix::new(&self.geometry, prefixlen, data) else {
            return self.step_first();
        };
        let mut trail = [None; TRAIL];
        let mut count = 0;
        let descent = self.descend_noting(prefix, |place, item| {
            trail[count % TRAIL] = Some((place.node, item.number()));
            count += 1;
        });
        if descent.found(self, prefix).is_none() {
            return self.step_first();
        }
        // The deepest node that has a successor has the one that comes next.
        let mut next = (1..=count.min(TRAIL)).find_map(|back| {
            trail[(count - back) % TRAIL].and_then(|(node, number)| node.following(number))
        });
        if next.is_none() && count > TRAIL {
            self.descend_noting(prefix, |place, item| {
                next = place.node.following(item.number()).or(next);
            });
        }
        next.map_or(Ok(None), leftmost)
    }
}

/// The first entry at or below `slot`, which led somewhere when it was found.
fn leftmost(mut slot: &Slot) -> Step<'_> {
    loop {
        match slot.below() {
            Link::Vacant => return Err(Emptied),
            Link::Entry(entry, _) => return Ok(Some(entry)),
            Link::Node(node) => slot = node.following(0).ok_or(Emptied)?,
        }
    }
}
