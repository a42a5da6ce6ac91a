// SPDX-License-Identifier: MIT OR Apache-2.0
//! The map type of the tutorial in docs/hackers.md, rust-kmod/tests/bpf_test_map_sparse.rs.

use std::ffi::CStr;

use anyhow::{Context, Result};
use libc::{E2BIG, EEXIST, EINVAL, ENOENT, EWOULDBLOCK};
use raw_bpf::{RawMap, sys::map::MapAttr};

use crate::{
    check,
    harness::{Test, Type},
    kernel_module as module,
    maps::{self, value},
    model::{ANY, EXIST, NOEXIST},
};

pub const TESTS: &[Test] = &[Test::mtrie(
    "module_of_the_tutorial_provides_a_sparse_array",
    sparse_array,
)];

/// BPF_MAP_TYPE_TEST
const TYPE: u32 = 37;
const NAME: &CStr = c"bpf_test_map_sparse";

fn sparse_array(_: Type) -> Result<()> {
    let attr = MapAttr {
        map_type: TYPE,
        key_size: 4,
        value_size: 8,
        max_entries: 100,
        ..MapAttr::default()
    };
    let map = RawMap::create(&attr).context("create a map, which loads the module")?;
    let key = |number: u32| number.to_ne_bytes();

    let absent = map.lookup(&key(7), 0);
    check::errno(absent, ENOENT, "lookup in an empty map")?;
    let absent = map.update(&key(7), &value(1), EXIST);
    check::errno(absent, ENOENT, "BPF_EXIST in an empty map")?;
    map.update(&key(7), &value(1), NOEXIST)?;
    let present = map.update(&key(7), &value(2), NOEXIST);
    check::errno(present, EEXIST, "BPF_NOEXIST of a value that is there")?;
    map.update(&key(7), &value(3), ANY)?;
    map.update(&key(99), &value(4), ANY)?;
    let beyond = map.update(&key(100), &value(5), ANY);
    check::errno(beyond, E2BIG, "update beyond max_entries")?;

    check::equal(map.lookup(&key(7), 0)?, value(3), "the value that replaced")?;
    check::equal(map.lookup(&key(99), 0)?, value(4), "the last value")?;
    let keys = map.keys(10)?;
    check::equal(keys, vec![key(7).to_vec(), key(99).to_vec()], "all keys")?;
    map.delete(&key(7))?;
    check::errno(map.delete(&key(7)), ENOENT, "a second deletion")?;
    check::errno(map.lookup(&key(7), 0), ENOENT, "lookup after the deletion")?;
    check::equal(map.keys(10)?, vec![key(99).to_vec()], "the remaining keys")?;

    let empty = MapAttr {
        max_entries: 0,
        ..attr
    };
    check::errno(maps::create_fd(&empty), EINVAL, "creation without entries")?;
    let held = module::remove_by_name(NAME);
    check::errno(held, EWOULDBLOCK, "removal of the module while a map lives")?;
    drop(map);
    module::remove_when_idle(NAME)
}

#[test]
fn the_tutorial_shows_the_whole_module() {
    let text = include_str!("../../../../docs/hackers.md");
    let module = include_str!("../../../../rust-kmod/tests/bpf_test_map_sparse.rs");
    let (_, tutorial) = text.split_once("\n## Tutorial").unwrap();
    let blocks: Vec<_> = tutorial
        .split("```rust\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert_eq!(blocks.join("\n"), module);
}
