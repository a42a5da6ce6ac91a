// SPDX-License-Identifier: MIT OR Apache-2.0
//! Creating a map, by aya's map API and from an ELF object; its id, info, fdinfo.

use std::{
    collections::HashSet,
    fs,
    os::fd::{AsFd, AsRawFd},
};

use anyhow::{Context, Result};
use aya::maps::lpm_trie::Key;
use libc::{EINVAL, ENOENT};
use lpm_mtrie::{Loader, map};
use raw_bpf::{RawMap, sys};

use crate::{
    check,
    harness::{Test, Type},
    maps::{self, F_NO_PREALLOC, IPV4},
    objects,
    prefix::scattered,
    wait,
};

pub const TESTS: &[Test] = &[
    Test::both("create_by_aya", by_aya),
    Test::both("create_from_object", from_object),
    Test::mtrie("create_without_no_prealloc", without_no_prealloc),
    Test::both("id_is_listed_and_opens", id),
    Test::both("ids_are_unique", unique_ids),
    Test::both("info_matches_the_attributes", info),
    Test::both("fdinfo_matches_the_attributes", fdinfo),
    Test::mtrie("fdinfo_memory_counts_the_trie", memory),
];

fn by_aya(on: Type) -> Result<()> {
    let data = map::create(on.map_type(), "aya", 8, 8, 16, F_NO_PREALLOC)?;
    let mut trie = map::typed::<u32, u64>(data)?;
    let key = |len, address: [u8; 4]| Key::new(len, u32::from_ne_bytes(address));

    trie.insert(&key(8, [10, 0, 0, 0]), 1, 0)?;
    trie.insert(&key(16, [10, 1, 0, 0]), 2, 0)?;
    check::equal(
        trie.get(&key(32, [10, 1, 2, 3]), 0)?,
        2,
        "10.1.2.3 is in 10.1/16",
    )?;
    check::equal(
        trie.get(&key(32, [10, 2, 2, 3]), 0)?,
        1,
        "10.2.2.3 is only in 10/8",
    )?;

    let walked: Vec<_> = trie
        .iter()
        .map(|entry| entry.map(|(key, value)| (key.prefix_len(), value)))
        .collect::<Result<_, _>>()?;
    check::equal(
        walked,
        vec![(16, 2), (8, 1)],
        "aya's iterator walks in the map's order",
    )?;

    trie.remove(&key(16, [10, 1, 0, 0]))?;
    check::equal(
        trie.get(&key(32, [10, 1, 2, 3]), 0)?,
        1,
        "10.1/16 was removed",
    )
}

fn from_object(on: Type) -> Result<()> {
    let mut loader = Loader::new();
    if !on.is_mtrie() {
        // Without this the loader reads the kernel's BTF, which the run on LPM_MTRIE tests.
        loader = loader.lpm_type(on.map_type());
    }
    let object = loader.load(objects::SHARED)?;
    let info = sys::map::info(object.map("lpm")?.fd().as_fd())?;
    check::equal(
        info.type_,
        on.map_type().number(),
        "the object's map has the type",
    )?;
    check::equal(info.key_size, 8, "the object's key size")?;
    check::equal(info.value_size, 8, "the object's value size")?;
    check::equal(info.max_entries, 64, "the object's max_entries")?;
    check::holds(info.btf_key_type_id != 0, "the key's BTF type came along")?;
    check::holds(
        info.btf_value_type_id != 0,
        "the value's BTF type came along",
    )?;
    let program = object.load_program("count")?;
    check::equal(
        program.test_run(&[0; 64])?.retval,
        0,
        "an empty map matches nothing",
    )
}

fn without_no_prealloc(on: Type) -> Result<()> {
    let mut attr = maps::attr(on, IPV4);
    attr.map_flags = 0;
    check::ok(maps::create_fd(&attr), "BPF_F_NO_PREALLOC is not required").map(drop)
}

fn id(on: Type) -> Result<()> {
    let map = maps::create(on, IPV4)?;
    let id = sys::map::info(map.fd())?.id;
    check::holds(
        ids()?.contains(&id),
        "BPF_MAP_GET_NEXT_ID returns the map's id",
    )?;

    let other = maps::create(on, IPV4)?;
    let other_id = sys::map::info(other.fd())?.id;
    check::holds(id != other_id, "two maps have two ids")?;

    let again = raw_bpf::RawMap::new(sys::map::fd_by_id(id)?)?;
    map.update(&[0; 8], &maps::value(7), 0)?;
    check::equal(
        again.lookup(&[0; 8], 0)?,
        maps::value(7),
        "the id opens the same map",
    )?;

    drop(map);
    check::equal(
        again.lookup(&[0; 8], 0)?,
        maps::value(7),
        "one descriptor keeps the map",
    )?;
    drop(again);
    wait::until("the id to be removed with the last descriptor", || {
        Ok(sys::map::fd_by_id(id).is_err())
    })?;
    check::errno(sys::map::fd_by_id(id), ENOENT, "the id of a freed map")
}

fn unique_ids(on: Type) -> Result<()> {
    let maps: Vec<_> = (0..50)
        .map(|_| maps::create(on, IPV4))
        .collect::<Result<_>>()?;
    let listed = ids()?;
    check::holds(listed.is_sorted(), "the ids come in order")?;
    let mut seen = HashSet::new();
    for map in &maps {
        let id = sys::map::info(map.fd())?.id;
        check::holds(seen.insert(id), &format!("no other map has the id {id}"))?;
        check::holds(listed.contains(&id), &format!("{id} is listed"))?;
        let again = sys::map::fd_by_id(id)?;
        check::equal(
            sys::map::info(again.as_fd())?.id,
            id,
            "the id opens its map",
        )?;
    }
    check::errno(sys::map::next_id(u32::MAX), EINVAL, "an impossible id")
}

pub(super) fn ids() -> Result<Vec<u32>> {
    let mut ids: Vec<u32> = vec![];
    loop {
        match sys::map::next_id(ids.last().copied().unwrap_or(0)) {
            Ok(id) => ids.push(id),
            Err(error) if error.raw_os_error() == Some(ENOENT) => return Ok(ids),
            Err(error) => return Err(error).context("BPF_MAP_GET_NEXT_ID"),
        }
    }
}

fn info(on: Type) -> Result<()> {
    let attr = maps::attr(on, IPV4).named("by_name_15_long");
    let fd = maps::create_fd(&attr)?;
    let info = sys::map::info(fd.as_fd())?;
    check::equal(info.type_, on.map_type().number(), "type")?;
    check::equal(info.key_size, attr.key_size, "key_size")?;
    check::equal(info.value_size, attr.value_size, "value_size")?;
    check::equal(info.max_entries, attr.max_entries, "max_entries")?;
    check::equal(info.map_flags, F_NO_PREALLOC, "map_flags")?;
    check::equal(info.map_extra, 0, "map_extra")?;
    check::equal(info.name.map(|byte| byte as u8), attr.name, "name")
}

/// A number from the descriptor's fdinfo.
pub(super) fn field(map: &RawMap, name: &str) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{}", map.fd().as_raw_fd()))?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .with_context(|| format!("fdinfo has no {name}:\n{text}"))?
        .trim();
    let number = match line.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => line.parse(),
    };
    number.with_context(|| format!("{name}: {line}"))
}

fn fdinfo(on: Type) -> Result<()> {
    let map = maps::create(on, IPV4)?;
    let number = u64::from(on.map_type().number());
    let id = u64::from(sys::map::info(map.fd())?.id);
    for (name, want) in [
        ("map_type", number),
        ("key_size", 8),
        ("value_size", 8),
        ("max_entries", 1024),
        ("map_flags", 1),
        ("map_extra", 0),
        ("frozen", 0),
        ("map_id", id),
    ] {
        check::equal(field(&map, name)?, want, name)?;
    }
    Ok(())
}

/// LPM_TRIE counts only elements, so an empty one reports 0, which LPM_MTRIE does not copy.
fn memory(on: Type) -> Result<()> {
    const PREFIXES: u32 = 1000;
    let map = maps::create(on, IPV4)?;
    let empty = field(&map, "memlock")?;
    check::holds(empty > 0, "an empty map's memory is counted")?;
    for n in 0..PREFIXES {
        map.update(&scattered(n), &maps::value(1), 0)?;
    }
    let full = field(&map, "memlock")?;
    // Each entry has at least its data, its prefixlen and its value.
    let least = empty + u64::from(PREFIXES) * (4 + 4 + 8);
    check::holds(full >= least, &format!("{full} bytes of {least} or more"))?;

    for n in 0..PREFIXES {
        map.delete(&scattered(n))?;
    }
    let mut left = full;
    // Removed nodes and removed entries are collected in batches, which are submitted when they
    // hold 16 KiB.
    wait::until("the memory of deleted prefixes to be freed", || {
        left = field(&map, "memlock")?;
        Ok(left <= empty + 2 * (16 << 10))
    })
    .with_context(|| format!("{empty} bytes empty, {full} full, {left} after the deletions"))
}
