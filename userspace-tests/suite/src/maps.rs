// SPDX-License-Identifier: MIT OR Apache-2.0
//! The maps that tests create, and BPF_F_ flags of uapi bpf.h.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd},
};

use anyhow::{Context, Result};
use raw_bpf::{RawMap, sys::map::MapAttr};

use crate::harness::Type;

pub const F_NO_PREALLOC: u32 = 1 << 0;
pub const F_NUMA_NODE: u32 = 1 << 2;
pub const F_RDONLY: u32 = 1 << 3;
pub const F_WRONLY: u32 = 1 << 4;
pub const F_RDONLY_PROG: u32 = 1 << 7;
pub const F_WRONLY_PROG: u32 = 1 << 8;
/// Indicates that the attribute `map_token_fd` is set; the core clears the flag.
pub const F_TOKEN_FD: u32 = 1 << 16;

/// Sizes of a map, in bytes and entries; a key is 4 bytes longer than its data.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub data: u32,
    pub value: u32,
    pub max_entries: u32,
}

/// The default for tests: IPv4 prefixes and 8-byte values.
pub const IPV4: Shape = Shape {
    data: 4,
    value: 8,
    max_entries: 1024,
};

/// Attributes that both types accept.
pub fn attr(on: Type, shape: Shape) -> MapAttr {
    MapAttr {
        map_type: on.map_type().number(),
        key_size: 4 + shape.data,
        value_size: shape.value,
        max_entries: shape.max_entries,
        map_flags: F_NO_PREALLOC,
        ..MapAttr::default()
    }
    .named("suite")
}

/// uapi numbers of the map-of-maps types.
pub const ARRAY_OF_MAPS: u32 = 12;
pub const HASH_OF_MAPS: u32 = 13;

/// Attributes of an outer map with room for one map like `template`.
pub fn outer_attr(map_type: u32, template: BorrowedFd<'_>) -> MapAttr {
    MapAttr {
        map_type,
        key_size: 4,
        value_size: 4,
        max_entries: 1,
        inner_map_fd: template.as_raw_fd() as u32,
        ..MapAttr::default()
    }
}

pub fn create(on: Type, shape: Shape) -> Result<RawMap> {
    RawMap::create(&attr(on, shape)).with_context(|| format!("create a map of {shape:?}"))
}

/// Like [`create`], for tests of the errno and for maps that will have no elements.
pub fn create_fd(attr: &MapAttr) -> io::Result<OwnedFd> {
    raw_bpf::sys::map::create(attr)
}

/// An 8-byte value.
pub fn value(number: u64) -> Vec<u8> {
    number.to_ne_bytes().to_vec()
}
