// SPDX-License-Identifier: MIT OR Apache-2.0
//! Filling maps, in batches and one by one. The times are those of the calls only.

use std::{
    io,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use crate::{
    origin_map::OriginMap,
    prefix_set::{Entry, PrefixSet},
    progress::Progress,
    turns::{BATCH, Work, in_turns},
};

/// Fills one map in batches.
pub fn fill(map: &OriginMap, set: &PrefixSet, progress: &Progress) -> Result<()> {
    for entries in set.entries().chunks(BATCH) {
        in_a_batch(map, entries)?;
        progress.advance(entries.len());
    }
    Ok(())
}

/// What each map was given in batches, and one by one.
pub struct Loads {
    pub in_batches: [Work; 2],
    pub one_by_one: [Work; 2],
}

/// Fills both maps: every other chunk of the list in batches, and then the others one by one.
pub fn fill_both(maps: [&OriginMap; 2], set: &PrefixSet, progress: &Progress) -> Result<Loads> {
    // With two entries there are two chunks.
    let chunk = set.entries().len().div_ceil(2).clamp(1, BATCH);
    let load = |first, update: Update| {
        in_turns(maps.map(|map| {
            let mut chunks = set.entries().chunks(chunk).skip(first).step_by(2);
            move || {
                let Some(entries) = chunks.next() else {
                    return Ok(None);
                };
                let time = update(map, entries)?;
                let elements = entries.len();
                progress.advance(elements);
                Ok(Some(Work { elements, time }))
            }
        }))
    };
    Ok(Loads {
        in_batches: load(0, in_a_batch)?,
        one_by_one: load(1, one_by_one)?,
    })
}

type Update = fn(&OriginMap, &[Entry]) -> Result<Duration>;

fn in_a_batch(map: &OriginMap, entries: &[Entry]) -> Result<Duration> {
    let calls = map.calls()?;
    let (mut keys, mut values) = (vec![], vec![]);
    for Entry { prefix, value } in entries {
        keys.extend_from_slice(map.family.key(prefix.bits, prefix.len).as_bytes());
        values.extend_from_slice(&value.to_ne_bytes());
    }
    let begin = Instant::now();
    let batch = calls.update_batch_packed(&keys, &values, 0);
    let time = begin.elapsed();
    // The count is that of the entries before the refused one; all if the call was invalid.
    let refused = entries.get(batch.count as usize).unwrap_or(&entries[0]);
    accepted(map, refused, batch.result)?;
    Ok(time)
}

fn one_by_one(map: &OriginMap, entries: &[Entry]) -> Result<Duration> {
    let calls = map.calls()?;
    let begin = Instant::now();
    for entry in entries {
        let key = map.family.key(entry.prefix.bits, entry.prefix.len);
        let updated = calls.update(key.as_bytes(), &entry.value.to_ne_bytes(), 0);
        accepted(map, entry, updated)?;
    }
    Ok(begin.elapsed())
}

fn accepted(map: &OriginMap, entry: &Entry, result: io::Result<()>) -> Result<()> {
    result.with_context(|| {
        let prefix = entry.prefix.display(map.family);
        format!("{} refused {prefix}", map.name())
    })
}
