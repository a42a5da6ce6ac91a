// SPDX-License-Identifier: MIT OR Apache-2.0
//! Random steps on the maps by bpf(2), concurrently with everything else.

use std::io;

use anyhow::{Context, Result, bail, ensure};
use libc::{EEXIST, ENOENT, ENOSPC, ETIMEDOUT};
use raw_bpf::{RawMap, raw_map::BatchElements};

use super::{
    pattern::{Name, fits, is_of, is_ours},
    subjects::{Count, Subjects, Tally},
};
use crate::{
    model::{EXIST, NOEXIST},
    prefix::Prefix,
    random::Random,
};

/// How many keys or elements a step walks over.
const WALK: usize = 16;

pub fn step(subjects: &Subjects, tally: &Tally, random: &mut Random) -> Result<()> {
    // For the program that is attached inside the call.
    call_getpid();
    let which = random.below(2);
    let map = &subjects.maps[which];
    let name = Name::draw(random);
    let key = name.key();
    let written = |result, success, offset| {
        outcome(result, tally, success, offset).with_context(|| format!("key {key:x?}"))
    };
    match random.below(14) {
        0..3 => {
            let value = name.value(map.value_size(), random);
            written(map.update(&key, &value, NOEXIST), Count::Inserted, which)
        }
        3 | 4 => {
            let value = name.value(map.value_size(), random);
            written(map.update(&key, &value, EXIST), Count::Replaced, 0)
        }
        5 | 6 => written(map.delete(&key), Count::Deleted, which),
        7 => walk(map, &key),
        8 => batch(map, &key),
        9 => match map.lookup_and_delete(&key, 0) {
            Ok(value) => {
                tally.count(Count::Deleted, which);
                is_of(&value, &key)
            }
            Err(error) => written(Err(error), Count::Deleted, which),
        },
        10 => take_batch(map, &key, || tally.count(Count::Deleted, which)),
        _ => match map.lookup(&key, 0) {
            Ok(value) => {
                tally.count(Count::Found, 0);
                fits(&value, &key)
            }
            Err(error) => only(error, &[ENOENT]),
        },
    }
}

fn outcome(result: io::Result<()>, tally: &Tally, success: Count, offset: usize) -> Result<()> {
    let Err(error) = result else {
        tally.count(success, offset);
        return Ok(());
    };
    // The lock times out if the CPU that holds it is descheduled, as a virtual one may be.
    if error.raw_os_error() == Some(ETIMEDOUT) {
        tally.count(Count::NoLock, 0);
        return Ok(());
    }
    tally.count(Count::Refused, 0);
    only(error, &[EEXIST, ENOENT, ENOSPC])
}

fn only(error: io::Error, allowed: &[i32]) -> Result<()> {
    match error.raw_os_error() {
        Some(errno) if allowed.contains(&errno) => Ok(()),
        _ => bail!("unexpected: {error}"),
    }
}

fn walk(map: &RawMap, from: &[u8]) -> Result<()> {
    let mut key = from.to_vec();
    for _ in 0..WALK {
        key = match map.next_key(Some(&key)) {
            Ok(next) => next,
            Err(error) => return only(error, &[ENOENT]),
        };
        is_ours(&key)?;
    }
    Ok(())
}

fn batch(map: &RawMap, from: &[u8]) -> Result<()> {
    follow(&map.lookup_batch(Some(from), WALK), from)
}

fn take_batch(map: &RawMap, from: &[u8], mut taken: impl FnMut()) -> Result<()> {
    let batch = map.lookup_and_delete_batch(Some(from), 2);
    batch.elements.iter().for_each(|_| taken());
    follow(&batch, from)
}

/// Checks that the elements follow `from`, in order, each with its own value.
fn follow(batch: &BatchElements, from: &[u8]) -> Result<()> {
    let mut position = Prefix::from_key(from);
    for (key, value) in &batch.elements {
        is_ours(key)?;
        is_of(value, key)?;
        let next = Prefix::from_key(key);
        ensure!(position < next, "{next:?} was read after {position:?}");
        position = next;
    }
    match batch.result.as_ref().map_err(io::Error::raw_os_error) {
        Ok(()) | Err(Some(ENOENT)) => Ok(()),
        // The lock timed out, see `outcome`. The elements taken before are returned.
        Err(Some(ETIMEDOUT)) => Ok(()),
        Err(errno) => bail!("unexpected: errno {errno:?}"),
    }
}

pub fn call_getpid() {
    // SAFETY: getpid takes nothing. By number, so that no library answers for the kernel.
    unsafe { libc::syscall(libc::SYS_getpid) };
}
