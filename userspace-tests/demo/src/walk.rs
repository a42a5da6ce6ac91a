// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reading whole maps, in batches with the values, and key by key without them. The times are
//! those of the calls only.

use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::{
    origin_map::OriginMap,
    prefix_set::PrefixSet,
    progress::Progress,
    turns::{BATCH, Work, in_turns},
};

pub fn in_batches(
    maps: [&OriginMap; 2],
    set: &PrefixSet,
    progress: &Progress,
) -> Result<[Work; 2]> {
    let values = set.entries().iter().map(|entry| entry.value);
    let expected = (set.entries().len(), values.fold(0, u64::wrapping_add));
    let turns = |map| batch_turns(map, expected, progress);
    in_turns([turns(maps[0])?, turns(maps[1])?])
}

/// `expected` is the number of entries and the sum of their values.
fn batch_turns(
    map: &OriginMap,
    expected: (usize, u64),
    progress: &Progress,
) -> Result<impl FnMut() -> Result<Option<Work>>> {
    let calls = map.calls()?;
    let mut keys = vec![0; BATCH * calls.key_size()];
    let mut values = vec![0; BATCH * calls.value_size()];
    let mut cursor: Option<Vec<u8>> = None;
    let mut found = (0, 0u64);
    let mut ended = false;
    Ok(move || {
        if ended {
            ensure!(
                found == expected,
                "{} holds {found:?} entries and sum of values, not {expected:?}",
                map.name()
            );
            return Ok(None);
        }
        let mut next = vec![0; calls.cursor_size()];
        let begin = Instant::now();
        let batch =
            calls.lookup_batch_packed(false, cursor.as_deref(), &mut keys, &mut values, &mut next);
        let time = begin.elapsed();
        let elements = batch.count as usize;
        found.0 += elements;
        for value in values.as_chunks().0.iter().take(elements) {
            found.1 = found.1.wrapping_add(u64::from_ne_bytes(*value));
        }
        progress.advance(elements);
        match batch.result {
            Ok(()) => cursor = Some(next),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => ended = true,
            Err(error) => {
                return Err(error).with_context(|| format!("read a batch of {}", map.name()));
            }
        }
        Ok(Some(Work { elements, time }))
    })
}

pub fn by_keys(maps: [&OriginMap; 2], set: &PrefixSet, progress: &Progress) -> Result<[Work; 2]> {
    let turns = |map| key_turns(map, set.entries().len(), progress);
    in_turns([turns(maps[0])?, turns(maps[1])?])
}

fn key_turns(
    map: &OriginMap,
    expected: usize,
    progress: &Progress,
) -> Result<impl FnMut() -> Result<Option<Work>>> {
    let calls = map.calls()?;
    let mut key: Option<Vec<u8>> = None;
    let mut found = 0;
    let mut ended = false;
    Ok(move || {
        if ended {
            ensure!(
                found == expected,
                "get_next_key found {found} keys in {}, not {expected}",
                map.name()
            );
            return Ok(None);
        }
        let mut elements = 0;
        let begin = Instant::now();
        while elements < BATCH {
            match calls.next_key(key.as_deref()) {
                Ok(next) => key = Some(next),
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {
                    ended = true;
                    break;
                }
                Err(error) => {
                    return Err(error).with_context(|| format!("read a key of {}", map.name()));
                }
            }
            elements += 1;
        }
        let time = begin.elapsed();
        found += elements;
        progress.advance(elements);
        Ok(Some(Work { elements, time }))
    })
}
