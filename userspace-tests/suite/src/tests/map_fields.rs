// SPDX-License-Identifier: MIT OR Apache-2.0
//! Fields of the map's `struct bpf_map`, read by a program through BTF.

use std::os::fd::AsFd;

use anyhow::{Result, bail};
use libc::EACCES;
use lpm_mtrie::{Loader, ObjectError};
use raw_bpf::{RawMap, sys};

use crate::{
    check,
    harness::{Test, Type},
    objects,
};

pub const TESTS: &[Test] = &[
    Test::both("map_fields_are_read_by_a_program", read),
    Test::both("map_fields_are_not_written_by_a_program", not_written),
];

fn read(on: Type) -> Result<()> {
    let object = Loader::new()
        .lpm_type(on.map_type())
        .load(objects::MAP_FIELDS)?;
    object.load_program("read_fields")?.test_run(&[0; 64])?;
    let info = sys::map::info(object.map("lpm")?.fd().as_fd())?;
    let fields = RawMap::new(object.map("fields")?.fd())?;
    for (index, (field, want)) in [
        ("map_type", info.type_),
        ("key_size", info.key_size),
        ("value_size", info.value_size),
        ("max_entries", info.max_entries),
        ("map_flags", info.map_flags),
        ("id", info.id),
        ("refcnt: our descriptor and the program", 2),
        ("usercnt: our descriptor", 1),
    ]
    .into_iter()
    .enumerate()
    {
        let got = fields.lookup(&(index as u32).to_ne_bytes(), 0)?;
        check::equal(got, u64::from(want).to_ne_bytes().to_vec(), field)?;
    }
    check::equal(info.type_, on.map_type().number(), "the type")
}

fn not_written(on: Type) -> Result<()> {
    let object = Loader::new()
        .lpm_type(on.map_type())
        .load(objects::MAP_FIELDS)?;
    match object.load_program("write_field") {
        Err(ObjectError::Program { source, .. }) => {
            check::equal(source.error.raw_os_error(), Some(EACCES), "the errno")?;
            check::holds(
                source.log.contains("only read from"),
                &format!("the log says that fields can only be read: {}", source.log),
            )
        }
        other => bail!("a program that writes to a field: {other:?}"),
    }
}
