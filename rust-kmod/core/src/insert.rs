// SPDX-License-Identifier: GPL-2.0
//! Insert and replace: plan and allocate first, then the release store that decides, then retire
//! what was replaced. After an internal prefix, the slots of the bytes that it covers follow.

use super::{
    build::{copy, copy_rest, pair, promoted, NewNode},
    descent::{Descent, End, Place, Way},
    entry::{Entry, EntryRef, NewEntry},
    full::FullRef,
    item::Item,
    memory::Memory,
    node::NodeRef,
    packed::PackedRef,
    prefix::Prefix,
    slot::Raw,
    small::SMALL,
    tidy::LOWEST,
    Error, Writer,
};

/// How many levels of nodes may be promoted.
const HIGHEST: usize = 3;

/// Which prefixes an update accepts: BPF_ANY, BPF_NOEXIST, BPF_EXIST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Insert or replace.
    Any,
    /// Insert only.
    NoExist,
    /// Replace only.
    Exist,
}

/// What an update did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The prefix is new.
    Inserted,
    /// The prefix had an entry, which is retired.
    Replaced,
}

/// Where a prefix is in a trie, or would go: found once, first to look and then to write.
pub struct Position<'w, 'p> {
    writer: Writer<'w>,
    prefix: Prefix<'p>,
    descent: Descent<'w>,
    found: Option<EntryRef<'w>>,
}

impl<'w> Writer<'w> {
    /// The position of exactly `prefix`; [`Error::Missing`] if that has another geometry.
    pub fn position<'p>(self, prefix: Prefix<'p>) -> Result<Position<'w, 'p>, Error> {
        let trie = self.trie;
        if prefix.data().len() != trie.geometry.data_size() {
            return Err(Error::Missing);
        }
        let descent = trie.descend(prefix);
        let found = descent.found(trie, prefix);
        Ok(Position {
            writer: self,
            prefix,
            descent,
            found,
        })
    }

    /// Puts `entry` under `prefix`: [`Position::check`] and [`Position::insert`] in one.
    pub fn insert<M: Memory>(
        self,
        mem: &mut M,
        prefix: Prefix<'_>,
        mode: Mode,
        max_entries: u64,
        entry: NewEntry,
    ) -> Result<Outcome, (Error, NewEntry)> {
        let checked = self.position(prefix).and_then(|position| {
            position.check(mode, max_entries)?;
            Ok(position)
        });
        match checked {
            Ok(position) => position
                .insert(mem, entry)
                .map_err(|entry| (Error::NoMemory, entry)),
            Err(error) => Err((error, entry)),
        }
    }
}

impl Position<'_, '_> {
    /// The entry of the prefix, if it has one.
    pub fn entry(&self) -> Option<Entry<'_>> {
        Some(Entry::new(self.found?, &self.writer.trie.geometry))
    }

    /// Whether an update is allowed. Errors are checked in LPM_TRIE's order: [`Error::Exists`],
    /// [`Error::Missing`], [`Error::Full`] (the prefix is new and there are `max_entries` already).
    pub fn check(&self, mode: Mode, max_entries: u64) -> Result<(), Error> {
        match self.found {
            Some(_) if mode == Mode::NoExist => Err(Error::Exists),
            None if mode == Mode::Exist => Err(Error::Missing),
            None if self.writer.trie.len() >= max_entries => Err(Error::Full),
            _ => Ok(()),
        }
    }

    /// Inserts `entry` here, whose value the caller has written, and writes the rest of it; an
    /// entry that was here is retired. `Err`: no memory; nothing has changed and the block is the
    /// caller's again.
    pub fn insert<M: Memory>(self, mem: &mut M, entry: NewEntry) -> Result<Outcome, NewEntry> {
        let Self {
            mut writer,
            prefix,
            descent,
            found,
        } = self;
        if let Some(old) = found {
            if !mem.reserve(0, 1) {
                return Err(entry);
            }
            writer.replace(mem, &descent, old, prefix, entry);
            return Ok(Outcome::Replaced);
        }
        if !mem.reserve(1, 0) {
            return Err(entry);
        }
        let trie = writer.trie;
        trie.changes.begin();
        let block = entry.fill(&trie.geometry, prefix);
        // SAFETY: `fill` completed the entry, and the block is ours.
        let new = unsafe { EntryRef::new(block) };
        if writer.add(mem, &descent, prefix, new).is_none() {
            // SAFETY: nothing was published, so the block is as it came, except for bytes that will
            // be written again.
            return Err(unsafe { NewEntry::new(block) });
        }
        trie.stats
            .grew(M::size_of(new.layout(&trie.geometry)) as u64);
        trie.stats.entries(1);
        if trie.stats.grown() {
            writer.promote(mem, prefix);
        }
        writer.tidy(mem, prefix);
        Ok(Outcome::Inserted)
    }
}

impl Writer<'_> {
    /// Makes the first packed node among the highest ones on the way to `prefix` a full one. Most
    /// lookups in a large table pass through these nodes.
    #[cold]
    fn promote<M: Memory>(&mut self, mem: &mut M, prefix: Prefix<'_>) {
        let (mut level, mut packed) = (0, None);
        self.trie.descend_noting(prefix, |place, _| {
            if let (0..HIGHEST, None, NodeRef::Packed(node)) = (level, packed, place.node) {
                packed = Some((place.way, node));
            }
            level += 1;
        });
        let Some((way, node)) = packed else {
            return;
        };
        if !mem.reserve(1, 0) {
            return;
        }
        if let Some(new) = promoted(mem, node) {
            self.publish::<M>(&way, prefix, new);
            self.retire_node(mem, NodeRef::Packed(node));
        }
    }

    fn replace<M: Memory>(
        &mut self,
        mem: &mut M,
        descent: &Descent<'_>,
        old: EntryRef<'_>,
        prefix: Prefix<'_>,
        entry: NewEntry,
    ) {
        let geometry = &self.trie.geometry;
        let block = entry.fill(geometry, prefix);
        // SAFETY: `fill` completed the entry, and the block is ours.
        let new = unsafe { EntryRef::new(block) };
        match descent.end {
            End::Item {
                node,
                item: Item::Internal(index),
                slot: Some(slot),
            } => {
                slot.publish(new.internal());
                if let NodeRef::Full(_) = node {
                    node.refresh(index);
                }
            }
            _ => descent
                .way
                .publish(prefix, new.leaf(geometry, descent.way.start)),
        }
        let (grew, shrank) = (new.layout(geometry), old.layout(geometry));
        self.trie.stats.grew(M::size_of(grew) as u64);
        self.trie.stats.shrank(M::size_of(shrank) as u64);
        // SAFETY: the old entry is out of reach for later readers, and is retired this once.
        unsafe { mem.retire_entry(old.ptr(), shrank) };
    }

    /// Adds an entry whose prefix has none. `None`: no memory, nothing changed. Needs one reserved
    /// retirement.
    fn add<M: Memory>(
        &mut self,
        mem: &mut M,
        descent: &Descent<'_>,
        prefix: Prefix<'_>,
        entry: EntryRef<'_>,
    ) -> Option<()> {
        let geometry = &self.trie.geometry;
        let way = &descent.way;
        match descent.end {
            End::Vacant => {
                way.publish(prefix, entry.leaf(geometry, way.start));
            }
            End::Leaf { leaf, common } => {
                let depth = (common / 8) as usize;
                let skip = prefix.bytes(way.start, depth);
                let (leaf, entry) = (leaf.item(geometry, depth), entry.item(geometry, depth));
                let node = pair(mem, skip, leaf, entry)?;
                self.publish::<M>(way, prefix, node);
            }
            End::Outside { node, at } => {
                let (skip, rest) = node.skip().split_at_checked(at - way.start)?;
                let (byte, rest) = rest.split_first()?;
                let below = copy(mem, node, None, [rest, &[], &[]])?;
                let below_item = (Item::Child(*byte), below.raw());
                let Some(split) = pair(mem, skip, below_item, entry.item(geometry, at)) else {
                    below.free(mem);
                    return None;
                };
                self.count_new::<M>(&below);
                self.publish::<M>(way, prefix, split);
                self.retire_node(mem, node);
            }
            End::Item { node, item, slot } => {
                let raw = entry.raw(geometry, item, Place { way: *way, node }.depth());
                match (slot, node) {
                    (Some(vacant), _) => {
                        vacant.publish(raw);
                        if let Item::Internal(index) = item {
                            node.refresh(index);
                        }
                    }
                    (None, NodeRef::Full(full)) => {
                        let old = full.rest();
                        let new = copy_rest(mem, old, Some((item, raw)))?;
                        self.replace_rest(mem, full, old, new);
                        if let Item::Internal(index) = item {
                            node.refresh(index);
                        }
                    }
                    (None, _) => {
                        let new = copy(mem, node, Some((item, raw)), [node.skip(), &[], &[]])?;
                        self.publish::<M>(way, prefix, new);
                        // The node in front of a larger one can be merged with a small one.
                        let became_small =
                            matches!(node, NodeRef::Packed(_)) && node.live_upto(SMALL) < SMALL;
                        self.retire_node(mem, node);
                        if became_small {
                            self.shrink_all(mem, prefix, LOWEST);
                        }
                    }
                }
            }
        }
        Some(())
    }

    pub(super) fn count_new<M: Memory>(&self, new: &NewNode) {
        self.trie.stats.grew(new.size::<M>());
    }

    /// Puts `new` into the slot that `way` ends at.
    pub(super) fn publish<M: Memory>(&self, way: &Way<'_>, prefix: Prefix<'_>, new: NewNode) {
        self.count_new::<M>(&new);
        way.publish(prefix, new.raw());
    }

    /// Replaces `old`, the packed node of `full`, by `new`, and retires it.
    pub(super) fn replace_rest<M: Memory>(
        &self,
        mem: &mut M,
        full: FullRef<'_>,
        old: PackedRef<'_>,
        new: NewNode,
    ) {
        self.count_new::<M>(&new);
        full.rest_slot().publish(new.raw());
        self.retire_block(mem, old.ptr(), old.layout());
    }
}

impl Way<'_> {
    /// Puts `raw` into the slot, which is on the way to `prefix`. The writer only.
    pub(super) fn publish(&self, prefix: Prefix<'_>, raw: Raw) {
        self.slot.publish(match self.holder {
            None => raw,
            Some(node) => node.child_raw(self.slot, prefix.byte(self.start - 1), raw),
        });
    }
}
