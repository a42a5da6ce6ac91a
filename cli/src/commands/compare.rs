// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whole tables: load, diff, replace, and the comparison of a map with its earlier content, watch.

use std::{collections::BTreeMap, thread, time::Duration};

use lpm_mtrie::{BytePrefix, Bytes};
use serde_json::json;

use crate::{
    args::{File, Replace},
    failure::{Failure, Outcome, Result},
    input,
    output::Output,
    target::{Entry, Style, Target},
};

/// Prefixes in the order of their addresses.
pub type Table = BTreeMap<BytePrefix, Bytes>;

/// From an old table to a new one.
struct Changes {
    added: Vec<Entry>,
    /// The old entry, and the new one.
    changed: Vec<(Entry, Entry)>,
    removed: Vec<Entry>,
}

impl Changes {
    fn between(old: &Table, new: &Table) -> Self {
        let entry = |(prefix, value): (&BytePrefix, &Bytes)| (prefix.clone(), value.clone());
        let removed = old.iter().filter(|(prefix, _)| !new.contains_key(*prefix));
        let added = new.iter().filter(|(prefix, _)| !old.contains_key(*prefix));
        let changed = new.iter().filter_map(|(prefix, value)| {
            let before = old.get(prefix).filter(|before| *before != value)?;
            Some((entry((prefix, before)), entry((prefix, value))))
        });
        Self {
            added: added.map(entry).collect(),
            changed: changed.collect(),
            removed: removed.map(entry).collect(),
        }
    }

    fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }

    /// Makes them in a map that has `held` entries.
    fn make(&self, target: &Target, held: usize) -> Result<(), lpm_mtrie::Error> {
        let remove = || {
            let mut removed = self.removed.iter();
            removed.try_for_each(|(prefix, _)| target.map.remove(prefix).map(drop))
        };
        let room = held + self.added.len() <= target.info.max_entries as usize;
        if !room {
            remove()?;
        }
        let changed = self.changed.iter().map(|(_, new)| new.clone());
        let set = changed.chain(self.added.iter().cloned());
        target.map.insert_all(set)?;
        if room {
            remove()?;
        }
        Ok(())
    }

    fn print(&self, style: &Style, out: &mut Output) -> Result<()> {
        let olds = self.changed.iter().map(|(old, _)| (old, false));
        let news = self.changed.iter().map(|(_, new)| (new, true));
        let mut lines: Vec<(&Entry, bool)> = self
            .removed
            .iter()
            .map(|entry| (entry, false))
            .chain(olds)
            .chain(news)
            .chain(self.added.iter().map(|entry| (entry, true)))
            .collect();
        lines.sort_by_key(|((prefix, _), added)| (prefix, *added));
        for (entry, added) in lines {
            out.change(added, entry, style)?;
        }
        Ok(())
    }
}

fn held_by(target: &Target) -> Result<Table> {
    let form = &target.style.value;
    let entries = target.map.iter().map(|entry| {
        let (prefix, value) = entry?;
        Ok((prefix, form.without_padding(value)))
    });
    entries.collect()
}

fn said_by(file: &File, target: &Target) -> Result<Table> {
    let entries = input::read(file, &target.style, target.info.data_size)?;
    Ok(entries.into_iter().collect())
}

pub fn diff(target: &Target, file: &File, out: &mut Output) -> Result<Outcome> {
    let new = said_by(file, target)?;
    let changes = Changes::between(&held_by(target)?, &new);
    changes.print(&target.style, out)?;
    Ok(Outcome::found_if(changes.is_empty()))
}

/// Checks for room first: a load that stops half way leaves neither the old table nor the new one.
pub fn load(target: &Target, file: &File, out: &mut Output) -> Result<Outcome> {
    let new = said_by(file, target)?;
    let (mut held, mut replaced) = (0, 0);
    for entry in target.map.iter() {
        held += 1;
        replaced += usize::from(new.contains_key(&entry?.0));
    }
    let added = new.len() - replaced;
    let room = (target.info.max_entries as usize).saturating_sub(held);
    if added > room {
        return Err(Failure::System(format!(
            "the file has {added} new entries, the map has room for {room}: nothing was loaded; \
             create a larger map, or use lpm replace --swap, which creates one"
        )));
    }
    out.count("loaded", target.map.insert_all(new)?)?;
    Ok(Outcome::Found)
}

/// The table that replaces the one of a map.
pub fn replacement(replace: &Replace, target: &Target) -> Result<Table> {
    let new = said_by(&replace.file, target)?;
    if new.is_empty() && !replace.allow_empty {
        return Err(Failure::usage(
            "the file has no entries: nothing was done; if the map is to be emptied, \
             pass --allow-empty",
        ));
    }
    Ok(new)
}

/// Adds before it removes, so that an address that has a match before and after has one all the
/// time; the other way round if the map has no room for both.
pub fn replace(target: &Target, replace: &Replace, out: &mut Output) -> Result<Outcome> {
    let new = replacement(replace, target)?;
    let max_entries = target.info.max_entries;
    if new.len() > max_entries as usize {
        return Err(Failure::System(format!(
            "the file has {} entries, the map takes {max_entries}: nothing was done; \
             create a larger map, or use --swap, which creates one",
            new.len()
        )));
    }
    let old = held_by(target)?;
    let changes = Changes::between(&old, &new);
    changes.make(target, old.len()).map_err(|error| {
        Failure::System(format!(
            "the map has some of the changes, not all: {error}; run the command again"
        ))
    })?;
    let (added, changed, removed) = (
        changes.added.len(),
        changes.changed.len(),
        changes.removed.len(),
    );
    if out.json {
        out.object(&json!({ "added": added, "changed": changed, "removed": removed }))?;
    } else {
        out.line(&format!(
            "added {added}, changed {changed}, removed {removed} entries"
        ))?;
    }
    Ok(Outcome::Found)
}

pub fn watch(
    target: &Target,
    interval: f64,
    count: Option<u64>,
    out: &mut Output,
) -> Result<Outcome> {
    let interval = Duration::try_from_secs_f64(interval)
        .map_err(|_| Failure::usage(format!("--interval {interval} is not a valid time")))?;
    let mut old = held_by(target)?;
    let mut looks = 0;
    while count.is_none_or(|count| looks < count) {
        thread::sleep(interval);
        let new = held_by(target)?;
        Changes::between(&old, &new).print(&target.style, out)?;
        out.flush()?;
        old = new;
        looks += 1;
    }
    Ok(Outcome::Found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_what_turns_one_table_into_the_other() {
        let entry = |key: &str, value| (BytePrefix::from(key), Bytes(vec![value]));
        let old = Table::from([entry("a", 1), entry("b", 2), entry("c", 3)]);
        let new = Table::from([entry("b", 2), entry("c", 4), entry("d", 5)]);
        let changes = Changes::between(&old, &new);
        assert_eq!(changes.added, [entry("d", 5)]);
        assert_eq!(changes.changed, [(entry("c", 3), entry("c", 4))]);
        assert_eq!(changes.removed, [entry("a", 1)]);
        assert!(Changes::between(&old, &old).is_empty());
    }
}
