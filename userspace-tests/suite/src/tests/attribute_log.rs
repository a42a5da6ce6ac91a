// SPDX-License-Identifier: MIT OR Apache-2.0
//! The log of BPF_MAP_CREATE: one line for each attribute that the core refuses.

use std::{ffi::CStr, io, os::fd::OwnedFd};

use anyhow::{Context, Result};
use libc::{EBADF, EINVAL, ENOSPC};
use raw_bpf::sys::{self, map::MapAttr};

use crate::{
    check,
    harness::{Test, Type},
    maps::{self, F_NUMA_NODE, F_TOKEN_FD, IPV4},
};

pub const TESTS: &[Test] = &[
    Test::both("attribute_log_names_the_attribute", names_the_attribute),
    Test::both("attribute_log_is_empty_if_the_type_rejects", empty),
    Test::both("attribute_log_rejects_bad_buffers", bad_buffers),
];

type Change = fn(&mut MapAttr);

/// The result of the creation, and the log.
fn logged(attr: &MapAttr) -> Result<(io::Result<OwnedFd>, String)> {
    let mut log = [0xff; 200];
    let (result, size) = sys::map::create_logged(attr, 1, &mut log);
    if size == 0 {
        return Ok((result, String::new()));
    }
    let text = CStr::from_bytes_until_nul(&log).context("the log ends with a NUL")?;
    check::equal(
        size as usize,
        text.count_bytes() + 1,
        "log_true_size counts the NUL",
    )?;
    Ok((result, text.to_string_lossy().into_owned()))
}

fn names_the_attribute(on: Type) -> Result<()> {
    let rows: &[(&str, i32, &str, Change)] = &[
        ("a byte after the last attribute", EINVAL, "attr", |a| {
            a.unknown = 1
        }),
        ("map_extra", EINVAL, "map_extra", |a| a.map_extra = 1),
        ("numa_node", EINVAL, "numa_node", |a| {
            a.map_flags |= F_NUMA_NODE;
            a.numa_node = 1023;
        }),
        ("map_type", EINVAL, "map_type", |a| a.map_type = 1000),
        ("no token", EINVAL, "map_token_fd", |a| {
            a.map_flags |= F_TOKEN_FD
        }),
        ("map_name", EINVAL, "map_name", |a| a.name = [b'x'; 16]),
        ("btf_value_type_id", EINVAL, "btf_value_type_id", |a| {
            a.btf_key_type_id = 1
        }),
        ("btf_fd", EBADF, "btf_fd", |a| {
            a.btf_fd = 1 << 20;
            a.btf_value_type_id = 1;
        }),
        ("excl_prog_hash_size", EINVAL, "excl_prog_hash_size", |a| {
            a.excl_prog_hash_size = 32
        }),
    ];
    for (what, errno, attribute, change) in rows {
        let mut attr = maps::attr(on, IPV4);
        change(&mut attr);
        let (result, log) = logged(&attr)?;
        check::errno(result, *errno, what)?;
        check::equal(log, format!("Invalid {attribute}.\n"), what)?;
    }

    let mut attr = maps::attr(on, IPV4);
    attr.btf_vmlinux_value_type_id = 1;
    let (result, log) = logged(&attr)?;
    check::errno(result, EINVAL, "btf_vmlinux_value_type_id")?;
    check::holds(log.contains("struct_ops"), &log)?;

    let (result, log) = logged(&maps::attr(on, IPV4))?;
    check::ok(result, "good attributes")?;
    check::equal(log, String::new(), "the log is empty")
}

/// Linux passes no log to the ops of a map type.
fn empty(on: Type) -> Result<()> {
    let rows: &[(&str, Change)] = &[
        ("max_entries", |a| a.max_entries = 0),
        ("key_size", |a| a.key_size = 4),
        ("value_size", |a| a.value_size = 0),
        ("map_flags", |a| a.map_flags |= 1 << 1),
    ];
    for (what, change) in rows {
        let mut attr = maps::attr(on, IPV4);
        change(&mut attr);
        let (result, log) = logged(&attr)?;
        check::errno(result, EINVAL, what)?;
        check::equal(log, String::new(), what)?;
    }
    Ok(())
}

fn bad_buffers(on: Type) -> Result<()> {
    let good = maps::attr(on, IPV4);
    let mut log = [0; 200];
    let (result, _) = sys::map::create_logged(&good, 0, &mut log);
    check::errno(result, EINVAL, "a buffer without a level")?;
    let (result, _) = sys::map::create_logged(&good, 1 << 31, &mut log);
    check::errno(result, EINVAL, "a level that does not exist")?;
    let (result, _) = sys::map::create_logged(&good, 1, &mut []);
    check::ok(result, "a level without a buffer")?;

    let mut bad = good;
    bad.map_extra = 1;
    let (result, size) = sys::map::create_logged(&bad, 1, &mut log[..8]);
    check::errno(result, ENOSPC, "a buffer that is too small")?;
    check::equal(
        size as usize,
        "Invalid map_extra.\n\0".len(),
        "the size that is needed",
    )
}
