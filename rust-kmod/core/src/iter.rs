// SPDX-License-Identifier: GPL-2.0
//! Walking entries in LPM_TRIE's get_next_key order: post-order, so longer prefixes come before the
//! shorter ones that cover them, and the 0-branch before the 1-branch.

use super::{
    changes::{undisturbed, Disturbed},
    descent::{Descent, End},
    entry::{Entry, EntryRef},
    node::{Link, NodeRef},
    prefix::{Geometry, Prefix},
    slot::Slot,
    Reader, Trie,
};

/// How many nodes a walk remembers on its way down. It descends again when it needs one above them.
#[cfg(not(loom))]
const TRAIL: usize = 8;
/// One, so that models, whose keys are short, have walks that forget nodes.
#[cfg(loom)]
const TRAIL: usize = 1;

/// What comes next. [`Disturbed`] if the writer changed the way while it was walked: a subtree had
/// an entry when it was found, and none when it was entered, or what follows is not where it was.
type Step<'a> = Result<Option<EntryRef<'a>>, Disturbed>;

/// The lowest nodes on the way to where a walk stands, each with the number of the item that leads
/// there.
struct Trail<'a> {
    places: [Option<(NodeRef<'a>, u32)>; TRAIL],
    /// How many nodes are on the way; the first ones are forgotten if there are more than `TRAIL`.
    depth: usize,
}

impl<'a> Trail<'a> {
    const fn new() -> Self {
        Self {
            places: [None; TRAIL],
            depth: 0,
        }
    }

    #[inline]
    fn push(&mut self, node: NodeRef<'a>, number: u32) {
        self.places[self.depth % TRAIL] = Some((node, number));
        self.depth += 1;
    }

    /// Moves to the next item of the lowest node that has one, and returns its slot. Without one,
    /// the walk is over unless nodes were forgotten: then `depth` is not 0.
    #[inline]
    fn advance(&mut self) -> Option<&'a Slot> {
        while let Some(depth) = self.depth.checked_sub(1) {
            let place = &mut self.places[depth % TRAIL];
            let (node, number) = (*place)?;
            if let Some((number, slot)) = node.following(number) {
                *place = Some((node, number));
                return Some(slot);
            }
            *place = None;
            self.depth = depth;
        }
        None
    }
}

impl Trie {
    /// The entry after the one of exactly `prefix`, or the first one if there is no such entry or
    /// `prefix` is `None`.
    ///
    /// One descent, no allocation; `prefix` need not come from a walk.
    ///
    /// # Errors
    ///
    /// [`Disturbed`] if writers changed what was read in each of a few passes.
    #[inline]
    pub fn next<'e>(
        &'e self,
        reader: &'e Reader,
        prefix: Option<Prefix<'_>>,
    ) -> Result<Option<Entry<'e>>, Disturbed> {
        let _ = reader;
        let entry = undisturbed(|| match prefix {
            Some(prefix) => self.step_after(prefix.prefixlen(), prefix.data()),
            None => self.step_first(),
        })?;
        Ok(entry.map(|entry| Entry::new(entry, &self.geometry)))
    }

    /// Calls `visit` with the entries that follow `position` in order, the first ones if it is
    /// `None`, until that returns `false`. `position` need not have an entry.
    ///
    /// It may return earlier, but visits an entry if there is one: to continue, walk from the
    /// prefix of the last one. One descent for many entries, no allocation.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next); nothing was visited then.
    pub fn walk<'e>(
        &'e self,
        reader: &'e Reader,
        position: Option<Prefix<'_>>,
        mut visit: impl FnMut(Entry<'e>) -> bool,
    ) -> Result<(), Disturbed> {
        let _ = reader;
        let (mut trail, mut next) = undisturbed(|| {
            let mut trail = Trail::new();
            let entry = match position {
                Some(position) => self.walk_to(position, &mut trail),
                None if self.root.acquire().is_vacant() => Ok(None),
                None => leftmost(&self.root, |node, number| trail.push(node, number)),
            }?;
            Ok((trail, entry))
        })?;
        while let Some(entry) = next {
            if !visit(Entry::new(entry, &self.geometry)) {
                break;
            }
            next = trail.advance().and_then(|slot| {
                let entry = leftmost(slot, |node, number| trail.push(node, number));
                entry.unwrap_or(None)
            });
        }
        Ok(())
    }

    fn step_first(&self) -> Step<'_> {
        if self.root.acquire().is_vacant() {
            return Ok(None);
        }
        leftmost(&self.root, |_, _| {})
    }

    // The parts of a prefix are passed in registers.
    #[inline(never)]
    fn step_after(&self, prefixlen: u32, data: &[u8]) -> Step<'_> {
        let Some(prefix) = Prefix::new(&self.geometry, prefixlen, data) else {
            return self.step_first();
        };
        let mut trail = Trail::new();
        let descent = self.descend_noting(prefix, |place, item| {
            trail.push(place.node, item.number());
        });
        if descent.found(self, prefix).is_none() {
            return self.step_first();
        }
        let next = match trail.advance() {
            None => self.after_forgotten(prefix, &trail)?,
            next => next,
        };
        next.map_or(Ok(None), |slot| leftmost(slot, |_, _| {}))
    }

    /// The entry that follows `position`, and the trail to it.
    fn walk_to<'a>(&'a self, position: Prefix<'_>, trail: &mut Trail<'a>) -> Step<'a> {
        let descent = self.descend_noting(position, |place, item| {
            trail.push(place.node, item.number());
        });
        // Uses what was found there, not what is there by now, which may not follow `position`.
        let slot = match descent.end {
            End::Leaf { leaf, .. } if descent.leads_past(&self.geometry, position) => {
                return Ok(Some(leaf))
            }
            End::Outside { node, .. } if descent.leads_past(&self.geometry, position) => {
                let (number, slot) = node.following(0).ok_or(Disturbed)?;
                trail.push(node, number);
                Some(slot)
            }
            _ => trail.advance(),
        };
        match slot {
            Some(slot) => leftmost(slot, |node, number| trail.push(node, number)),
            None => {
                let slot = self.after_forgotten(position, trail)?;
                // The nodes in between are not known.
                *trail = Trail::new();
                slot.map_or(Ok(None), |slot| leftmost(slot, |_, _| {}))
            }
        }
    }

    /// The slot that follows `prefix` in the nodes that a trail to it forgot, after all that it
    /// remembers are exhausted.
    fn after_forgotten<'a>(
        &'a self,
        prefix: Prefix<'_>,
        trail: &Trail<'a>,
    ) -> Result<Option<&'a Slot>, Disturbed> {
        if trail.depth == 0 {
            return Ok(None);
        }
        let mut next = None;
        let descent = self.descend_noting(prefix, |place, item| {
            let following = place.node.following(item.number());
            next = following.map(|(_, slot)| slot).or(next);
        });
        // The nodes that were remembered may be gone, and what followed them in their place.
        if descent.leads_past(&self.geometry, prefix) {
            return Err(Disturbed);
        }
        Ok(next)
    }
}

impl Descent<'_> {
    /// Whether the descent to `prefix` ended at a leaf, or at a node that it does not lead into,
    /// and what is there follows `prefix`.
    fn leads_past(&self, geometry: &Geometry, prefix: Prefix<'_>) -> bool {
        match self.end {
            // It covers the prefix, or is in the 1-branch where the prefix is in the 0-branch. If
            // the prefix covers it, it comes before the prefix.
            End::Leaf { leaf, common } => {
                let byte = prefix.byte((common / 8) as usize);
                common < prefix.prefixlen()
                    && (common == leaf.prefixlen(geometry) || byte << (common % 8) & 128 == 0)
            }
            End::Outside { node, at } => {
                let bits = prefix.prefixlen().saturating_sub(8 * at as u32).min(8);
                let mask = !(255u16 >> bits) as u8;
                let skipped = node.skip().get(at - self.way.start).copied().unwrap_or(0);
                prefix.byte(at) & mask < skipped & mask
            }
            _ => false,
        }
    }
}

/// The first entry at or below `slot`, which led somewhere when it was found. Calls `note` for each
/// node on the way there, with the number of the item.
#[inline]
fn leftmost<'a>(mut slot: &'a Slot, mut note: impl FnMut(NodeRef<'a>, u32)) -> Step<'a> {
    loop {
        match slot.below() {
            Link::Vacant => return Err(Disturbed),
            Link::Entry(entry, _) => return Ok(Some(entry)),
            Link::Node(node) => {
                let (number, below) = node.following(0).ok_or(Disturbed)?;
                note(node, number);
                slot = below;
            }
        }
    }
}
