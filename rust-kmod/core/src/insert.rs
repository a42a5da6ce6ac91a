// SPDX-License-Identifier: GPL-2.0
//! Insert and replace: plan and allocate first, then one release store, then retire what was
//! replaced.

use super::{
    build::{copy, pair, Edit, Item, NewNode},
    descent::{Descent, End},
    entry::{Entry, EntryRef, NewEntry},
    memory::Memory,
    node::NodeRef,
    prefix::Prefix,
    slot::Slot,
    Error, Writer,
};
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

/// Where a prefix is in a trie, or would go: found once, for looking first and writing then.
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

    /// Whether an update may happen. Errors are looked at in this order, which is LPM_TRIE's:
    /// [`Error::Exists`], [`Error::Missing`], [`Error::Full`] (the prefix is new and there are
    /// `max_entries` already).
    pub fn check(&self, mode: Mode, max_entries: u64) -> Result<(), Error> {
        match self.found {
            Some(_) if mode == Mode::NoExist => Err(Error::Exists),
            None if mode == Mode::Exist => Err(Error::Missing),
            None if self.writer.trie.len() >= max_entries => Err(Error::Full),
            _ => Ok(()),
        }
    }

    /// Puts `entry`, whose value the caller has written, here, and writes the rest of it; an entry
    /// that was here is retired. `Err`: no memory; nothing has changed and the block is the
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
            // SAFETY: nothing was published, so the block is as it came, but for bytes that are
            // written again.
            return Err(unsafe { NewEntry::new(block) });
        }
        trie.stats
            .grew(M::size_of(trie.geometry.entry_layout()) as u64);
        trie.stats.entries(1);
        writer.tidy(mem, prefix);
        Ok(Outcome::Inserted)
    }
}

impl Writer<'_> {
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
                slot: Some(slot), ..
            } => slot.publish(new.internal()),
            _ => descent.slot.publish(new.leaf(geometry, descent.start)),
        }
        // SAFETY: the old entry is out of reach for later readers, and is retired this once.
        unsafe { mem.retire_entry(old.ptr(), geometry.entry_layout()) };
    }

    /// Adds an entry that is not there. `None`: no memory, nothing changed. Needs one reserved
    /// retirement.
    fn add<M: Memory>(
        &mut self,
        mem: &mut M,
        descent: &Descent<'_>,
        prefix: Prefix<'_>,
        entry: EntryRef<'_>,
    ) -> Option<()> {
        let geometry = &self.trie.geometry;
        let (slot, start) = (descent.slot, descent.start);
        match descent.end {
            End::Vacant if descent.above.is_none() => {
                self.trie
                    .publish_entrance(prefix, entry.leaf(geometry, start));
            }
            End::Vacant => {
                let raw = entry.leaf(geometry, start);
                self.fill::<M>(descent.above.map(|above| above.node), || slot.publish(raw));
            }
            End::Item {
                node,
                slot: Some(vacant),
                ..
            } => self.fill::<M>(Some(node), || vacant.publish(entry.internal())),
            End::Leaf { leaf, common } => {
                let depth = (common / 8) as usize;
                let skip = prefix.bytes(start, depth);
                let node = pair(
                    mem,
                    depth,
                    skip,
                    leaf.place(geometry, depth),
                    entry.place(geometry, depth),
                )?;
                self.publish(mem, slot, node, None);
            }
            End::Item {
                node, slot: None, ..
            } => {
                let (item, raw) = entry.place(geometry, node.depth());
                let mut done = false;
                self.fill::<M>(Some(node), || done = node.put(item, raw));
                if done {
                    return Some(());
                }
                let new = copy(mem, node, Edit::Add(item, raw), &[node.skip()])?;
                self.publish(mem, slot, new, Some(node));
            }
            End::Beside { node, at } => {
                let (skip, rest) = node.skip().split_at_checked(at - start)?;
                let (byte, rest) = rest.split_first()?;
                let below = copy(mem, node, Edit::Keep, &[rest])?;
                let below_item = (Item::Child(*byte), below.raw());
                let Some(split) = pair(mem, at, skip, below_item, entry.place(geometry, at)) else {
                    below.free(mem);
                    return None;
                };
                self.count_new::<M>(&below);
                self.publish(mem, slot, split, Some(node));
            }
        }
        Some(())
    }

    /// Does `fill`, which puts an item into `node`.
    fn fill<M: Memory>(&self, node: Option<NodeRef<'_>>, fill: impl FnOnce()) {
        let stats = &self.trie.stats;
        match node {
            Some(node) if stats.wasteful() > 0 => {
                let before = node.is_wasteful::<M>();
                fill();
                stats.became_wasteful(before, node.is_wasteful::<M>());
            }
            _ => fill(),
        }
    }

    fn count_new<M: Memory>(&self, new: &NewNode) {
        self.trie.stats.grew(new.size::<M>());
        self.trie.stats.became_wasteful(false, new.is_lone());
    }

    /// Puts `new` into `slot` and retires the node that it replaces there.
    pub(super) fn publish<M: Memory>(
        &mut self,
        mem: &mut M,
        slot: &Slot,
        new: NewNode,
        old: Option<NodeRef<'_>>,
    ) {
        self.count_new::<M>(&new);
        slot.publish(new.raw());
        if let Some(old) = old {
            self.retire_node(mem, old);
        }
    }
}
