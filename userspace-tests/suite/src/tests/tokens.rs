// SPDX-License-Identifier: MIT OR Apache-2.0
//! BPF tokens: the root of a user namespace may create maps of the types that
//! its BPF file system delegates, and of no others.

use std::os::fd::AsRawFd;

use anyhow::Result;
use libc::EPERM;
use raw_bpf::RawMap;

use crate::{
    check, delegation,
    harness::{Test, Type},
    maps::{self, F_TOKEN_FD, IPV4},
    prefix::v4,
};

pub const TESTS: &[Test] = &[
    Test::both("token_grants_the_type", grants),
    Test::both("token_grants_the_type_by_name", by_name),
    Test::both("token_for_another_type_is_refused", another_type),
    Test::both("token_for_another_command_is_refused", another_command),
];

/// Creates a map in a user namespace, with a token of these masks, and uses it; returns the first
/// errno, or 0.
fn errno_with_token(on: Type, commands: &str, map_types: &str) -> Result<i32> {
    delegation::errno_in_namespace(commands, map_types, |token| {
        let mut attr = maps::attr(on, IPV4);
        attr.map_flags |= F_TOKEN_FD;
        attr.map_token_fd = token.as_raw_fd();
        let map = RawMap::create(&attr)?;
        let key = v4([10, 0, 0, 0], 8);
        map.update(&key, &maps::value(1), 0)?;
        map.lookup(&key, 0)
    })
}

/// A mask with one bit, in the form of the mount options.
fn mask(bit: u32) -> String {
    format!("{:#x}", 1u64 << bit)
}

/// BPF_MAP_CREATE and BPF_PROG_LOAD of enum bpf_cmd, BPF_MAP_TYPE_HASH.
const MAP_CREATE: u32 = 0;
const PROG_LOAD: u32 = 5;
const HASH: u32 = 1;

fn grants(on: Type) -> Result<()> {
    let types = mask(on.map_type().number());
    let errno = errno_with_token(on, &mask(MAP_CREATE), &types)?;
    check::equal(errno, 0, "creation and use with the token")?;
    let errno = errno_with_token(on, "any", "any")?;
    check::equal(errno, 0, "with a token for everything")
}

fn by_name(on: Type) -> Result<()> {
    let name = if on.is_mtrie() {
        "lpm_mtrie"
    } else {
        "lpm_trie"
    };
    let errno = errno_with_token(on, "map_create", name)?;
    check::equal(errno, 0, "delegate_maps takes the type's name")
}

fn another_type(on: Type) -> Result<()> {
    let errno = errno_with_token(on, &mask(MAP_CREATE), &mask(HASH))?;
    check::equal(errno, EPERM, "a token for hash tables")?;
    let all_but = !(1u64 << on.map_type().number());
    let errno = errno_with_token(on, &mask(MAP_CREATE), &format!("{all_but:#x}"))?;
    check::equal(errno, EPERM, "a token for all types but this one")
}

fn another_command(on: Type) -> Result<()> {
    let types = mask(on.map_type().number());
    let errno = errno_with_token(on, &mask(PROG_LOAD), &types)?;
    check::equal(errno, EPERM, "a token for another command")
}
