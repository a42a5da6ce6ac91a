// SPDX-License-Identifier: MIT OR Apache-2.0
//! Update, lookup and delete from userspace: flags and errnos.

use anyhow::Result;
use aya_obj::generated::bpf_cmd;
use libc::{EEXIST, EFAULT, EINVAL, ENOENT, ENOSPC};

use crate::{
    check,
    harness::{Test, Type},
    maps::{self, IPV4, Shape, value},
    model::{ANY, EXIST, NOEXIST},
    prefix::v4,
    raw_call::RawCall,
};

pub const TESTS: &[Test] = &[
    Test::both("elements_update_flags_are_honoured", update_flags),
    Test::both("elements_lookup_finds_the_covering_prefix", lookup),
    Test::both("elements_delete_removes_one_prefix", delete),
    Test::both("elements_full_map_refuses_new_prefixes_only", full_map),
    Test::both("elements_too_long_prefix_is_refused", too_long_prefix),
    Test::both("elements_host_bits_are_kept", host_bits),
    Test::mtrie(
        "elements_lookup_and_delete_returns_the_value",
        lookup_and_delete,
    ),
];

/// BPF_F_LOCK, for values with a spin lock.
const LOCK: u64 = 4;

fn update_flags(on: Type) -> Result<()> {
    let map = maps::create(on, IPV4)?;
    let key = v4([10, 0, 0, 0], 8);
    check::errno(
        map.update(&key, &value(1), EXIST),
        ENOENT,
        "BPF_EXIST on an empty map",
    )?;
    check::ok(
        map.update(&key, &value(1), NOEXIST),
        "BPF_NOEXIST of a new prefix",
    )?;
    check::errno(
        map.update(&key, &value(2), NOEXIST),
        EEXIST,
        "BPF_NOEXIST again",
    )?;
    check::equal(
        map.lookup(&key, 0)?,
        value(1),
        "a refused update changes nothing",
    )?;
    check::ok(
        map.update(&key, &value(3), EXIST),
        "BPF_EXIST of a present prefix",
    )?;
    check::equal(
        map.lookup(&key, 0)?,
        value(3),
        "BPF_EXIST replaced the value",
    )?;
    check::ok(map.update(&key, &value(4), ANY), "BPF_ANY replaces")?;
    check::equal(map.lookup(&key, 0)?, value(4), "BPF_ANY replaced the value")?;

    let longer = v4([10, 0, 0, 0], 9);
    let shorter = v4([10, 0, 0, 0], 7);
    check::errno(
        map.update(&longer, &value(5), EXIST),
        ENOENT,
        "a longer one is not this one",
    )?;
    check::errno(
        map.update(&shorter, &value(5), EXIST),
        ENOENT,
        "nor is a shorter one",
    )?;
    for flags in [3, LOCK, 8, 1 << 32, u64::MAX] {
        let why = format!("update flags {flags:#x}");
        check::errno(map.update(&key, &value(5), flags), EINVAL, &why)?;
    }
    check::equal(map.keys(10)?, vec![key], "one prefix after all this")
}

fn lookup(on: Type) -> Result<()> {
    let map = maps::create(on, IPV4)?;
    let key = v4([10, 0, 0, 0], 8);
    check::errno(map.lookup(&key, 0), ENOENT, "lookup in an empty map")?;
    map.update(&key, &value(1), ANY)?;
    check::equal(
        map.lookup(&key, 0)?,
        value(1),
        "lookup of the prefix itself",
    )?;
    check::errno(
        map.lookup(&v4([11, 0, 0, 0], 8), 0),
        ENOENT,
        "a neighbouring prefix",
    )?;
    check::errno(
        map.lookup(&v4([10, 0, 0, 0], 7), 0),
        ENOENT,
        "a key shorter than the prefix",
    )?;
    for flags in [1, LOCK, 1 << 32] {
        let why = format!("lookup flags {flags:#x}");
        check::errno(map.lookup(&key, flags), EINVAL, &why)?;
    }
    Ok(())
}

fn delete(on: Type) -> Result<()> {
    let map = maps::create(on, IPV4)?;
    let [short, middle, long] = [8, 16, 24].map(|len| v4([10, 0, 0, 0], len));
    check::errno(map.delete(&middle), ENOENT, "delete from an empty map")?;
    map.update(&short, &value(8), ANY)?;
    map.update(&long, &value(24), ANY)?;
    check::errno(
        map.delete(&middle),
        ENOENT,
        "a prefix between two present ones",
    )?;
    map.update(&middle, &value(16), ANY)?;
    check::ok(map.delete(&middle), "delete of the middle one")?;
    check::errno(map.delete(&middle), ENOENT, "delete of it again")?;
    check::equal(
        map.lookup(&v4([10, 0, 0, 1], 32), 0)?,
        value(24),
        "the longer one stays",
    )?;
    check::equal(
        map.lookup(&v4([10, 0, 1, 1], 32), 0)?,
        value(8),
        "the shorter one stays",
    )?;
    check::ok(map.delete(&short), "delete of the shorter one")?;
    check::errno(
        map.lookup(&v4([10, 0, 1, 1], 32), 0),
        ENOENT,
        "nothing covers it now",
    )?;
    check::ok(map.delete(&long), "delete of the last one")?;
    check::errno(map.next_key(None), ENOENT, "the map is empty")
}

fn full_map(on: Type) -> Result<()> {
    let shape = Shape {
        max_entries: 3,
        ..IPV4
    };
    let map = maps::create(on, shape)?;
    let key = |n| v4([n, 0, 0, 0], 8);
    for n in 0..3 {
        map.update(&key(n), &value(u64::from(n)), ANY)?;
    }
    check::errno(
        map.update(&key(3), &value(3), ANY),
        ENOSPC,
        "one more with BPF_ANY",
    )?;
    check::errno(
        map.update(&key(3), &value(3), NOEXIST),
        ENOSPC,
        "one more with BPF_NOEXIST",
    )?;
    check::errno(
        map.update(&key(3), &value(3), EXIST),
        ENOENT,
        "BPF_EXIST is checked first",
    )?;
    check::errno(
        map.update(&key(2), &value(3), NOEXIST),
        EEXIST,
        "BPF_NOEXIST is checked first",
    )?;
    check::ok(
        map.update(&key(2), &value(9), ANY),
        "a replacement needs no room",
    )?;
    check::ok(map.delete(&key(0)), "delete makes room")?;
    check::ok(map.update(&key(3), &value(3), ANY), "for one")?;
    check::errno(map.update(&key(0), &value(0), ANY), ENOSPC, "and no more")
}

fn too_long_prefix(on: Type) -> Result<()> {
    let map = maps::create(on, IPV4)?;
    let good = v4([10, 0, 0, 0], 8);
    map.update(&good, &value(1), ANY)?;
    for len in [33, 64, 256, u32::MAX] {
        let key = v4([10, 0, 0, 0], len);
        check::errno(
            map.update(&key, &value(2), ANY),
            EINVAL,
            &format!("update of /{len}"),
        )?;
        check::errno(
            map.update(&key, &value(2), EXIST),
            EINVAL,
            &format!("BPF_EXIST of /{len}"),
        )?;
        check::errno(map.lookup(&key, 0), ENOENT, &format!("lookup of /{len}"))?;
        check::errno(map.delete(&key), EINVAL, &format!("delete of /{len}"))?;
        check::equal(
            map.next_key(Some(&key))?,
            good.clone(),
            "next_key: the first",
        )?;
    }
    Ok(())
}

fn host_bits(on: Type) -> Result<()> {
    let map = maps::create(on, IPV4)?;
    map.update(&v4([10, 1, 2, 3], 8), &value(1), NOEXIST)?;
    check::equal(
        map.lookup(&v4([10, 9, 9, 9], 32), 0)?,
        value(1),
        "only the prefix decides",
    )?;
    check::errno(
        map.update(&v4([10, 9, 9, 9], 8), &value(2), NOEXIST),
        EEXIST,
        "other bits beyond the length make no other prefix",
    )?;
    check::equal(
        map.next_key(None)?,
        v4([10, 1, 2, 3], 8),
        "the key is returned as written",
    )?;
    map.update(&v4([10, 9, 9, 9], 8), &value(2), EXIST)?;
    check::equal(map.next_key(None)?, v4([10, 9, 9, 9], 8), "as last written")?;
    check::ok(map.delete(&v4([10, 0, 0, 0], 8)), "delete by the prefix")?;
    check::errno(map.next_key(None), ENOENT, "the map is empty")
}

fn lookup_and_delete(on: Type) -> Result<()> {
    let map = maps::create(on, IPV4)?;
    let [short, long] = [8, 16].map(|len| v4([10, 0, 0, 0], len));
    map.update(&short, &value(8), ANY)?;
    map.update(&long, &value(16), ANY)?;
    check::errno(
        map.lookup_and_delete(&v4([10, 0, 0, 0], 24), 0),
        ENOENT,
        "a prefix that others cover is not there",
    )?;
    check::errno(
        map.lookup_and_delete(&v4([10, 0, 0, 0], 33), 0),
        EINVAL,
        "an impossible length",
    )?;
    for flags in [1, LOCK, 1 << 32] {
        let why = format!("flags {flags:#x}");
        check::errno(map.lookup_and_delete(&long, flags), EINVAL, &why)?;
    }
    check::equal(map.keys(10)?.len(), 2, "nothing was deleted")?;
    check::equal(map.lookup_and_delete(&long, 0)?, value(16), "its value")?;
    check::equal(map.keys(10)?, vec![short.clone()], "the other one stays")?;
    check::errno(map.lookup_and_delete(&long, 0), ENOENT, "it was deleted")?;
    let cmd = bpf_cmd::BPF_MAP_LOOKUP_AND_DELETE_ELEM;
    let mut call = RawCall::element(cmd, map.fd(), &short, &[]);
    // SAFETY: the call's memory holds what its addresses point to, except for a null one.
    check::equal(unsafe { call.make() }, Err(EFAULT), "no room for the value")?;
    check::errno(map.next_key(None), ENOENT, "it is lost, and the map empty")
}
