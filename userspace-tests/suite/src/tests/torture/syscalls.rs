// SPDX-License-Identifier: MIT OR Apache-2.0
//! Random steps on the maps by bpf(2), beside whatever else goes on.

use std::io;

use anyhow::{Context, Result, bail};
use libc::{EEXIST, ENOENT, ENOSPC, ETIMEDOUT};
use raw_bpf::RawMap;

use super::{
    pattern::{Name, fits, is_ours},
    subjects::{Count, Subjects, Tally},
};
use crate::{
    model::{EXIST, NOEXIST},
    random::Random,
};

/// How many keys or elements a step walks over.
const WALK: usize = 16;

pub fn step(subjects: &Subjects, tally: &Tally, random: &mut Random) -> Result<()> {
    // For the program that is attached inside of it.
    call_getpid();
    let which = random.below(2);
    let map = &subjects.maps[which];
    let name = Name::draw(random);
    let key = name.key();
    let written = |result, success, offset| {
        outcome(result, tally, success, offset).with_context(|| format!("key {key:x?}"))
    };
    match random.below(12) {
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
    // The lock gives up when the CPU that holds it is away, as a virtual one may be.
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
    let batch = map.lookup_batch(Some(from), WALK);
    for (key, value) in &batch.elements {
        is_ours(key)?;
        fits(value, key)?;
    }
    match batch.result {
        Err(error) => only(error, &[ENOENT]),
        Ok(()) => Ok(()),
    }
}

pub fn call_getpid() {
    // SAFETY: getpid takes nothing. By number, so that no library answers for the kernel.
    unsafe { libc::syscall(libc::SYS_getpid) };
}
