// SPDX-License-Identifier: GPL-2.0
//! Walking all entries in LPM_TRIE's get_next_key order: post-order, so longer prefixes before the
//! shorter ones that cover them, and the 0-branch before the 1-branch.

use super::{
    entry::{Entry, EntryRef},
    node::Link,
    prefix::Prefix,
    Reader, Trie,
};

/// Nodes that a descent remembers on its way down; where the way is longer and none of the last
/// ones helps, it is gone again.
const TRAIL: usize = 8;

/// A subtree had an entry when it was entered, and none where it was looked for: the writer has
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
    pub fn next<'e>(&'e self, reader: &'e Reader, prefix: Option<Prefix<'_>>) -> Option<Entry<'e>> {
        let _ = reader;
        let prefix = prefix.filter(|prefix| prefix.data().len() == self.geometry.data_size());
        loop {
            let step = match prefix {
                Some(prefix) => self.step_after(prefix),
                None => self.step_first(),
            };
            if let Ok(entry) = step {
                return Some(Entry::new(entry?, &self.geometry));
            }
        }
    }

    fn step_first(&self) -> Step<'_> {
        leftmost(self.root.below())
    }

    fn step_after(&self, prefix: Prefix<'_>) -> Step<'_> {
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
        let mut next = (1..=count.min(TRAIL))
            .find_map(|back| {
                trail[(count - back) % TRAIL].and_then(|(node, rank)| node.following(rank))
            })
            .unwrap_or(Link::Vacant);
        if matches!(next, Link::Vacant) && count > TRAIL {
            self.descend_noting(prefix, |place, item| {
                next = place.node.following(item.number()).unwrap_or(next);
            });
        }
        leftmost(next)
    }
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
