// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pins: a map outlives its descriptors, and two programs share it.

use std::{fs, os::fd::AsFd, path::PathBuf};

use anyhow::{Context, Result};
use libc::{EEXIST, ENOENT};
use lpm_mtrie::{Loader, map};
use raw_bpf::{RawMap, sys};

use crate::{
    check,
    harness::{Test, Type},
    maps::{self, IPV4, value},
    model::ANY,
    objects,
    prefix::v4,
    wait,
};

pub const TESTS: &[Test] = &[
    Test::both("pin_keeps_the_map_until_removed", reopen),
    Test::both("pin_is_shared_by_two_programs", shared),
];

/// A path in the BPF file system that is removed at the test's end.
pub struct Pin(PathBuf);

impl Pin {
    pub fn new(name: &str) -> Self {
        let pin = Self(PathBuf::from("/sys/fs/bpf").join(name));
        pin.remove();
        pin
    }

    pub fn path(&self) -> &std::path::Path {
        &self.0
    }

    pub fn remove(&self) {
        // It may have been removed already, as the caller intends.
        let _ = fs::remove_file(&self.0);
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.remove();
    }
}

fn reopen(on: Type) -> Result<()> {
    let pin = Pin::new("suite_reopen");
    let key = v4([10, 0, 0, 0], 8);
    let first = maps::create(on, IPV4)?;
    first.update(&key, &value(1), ANY)?;
    let id = sys::map::info(first.fd())?.id;
    check::ok(sys::obj_pin(first.fd(), pin.path()), "pin")?;
    check::errno(
        sys::obj_pin(first.fd(), pin.path()),
        EEXIST,
        "pin to a taken path",
    )?;
    drop(first);

    let again = map::from_pin(pin.path()).context("aya opens the pin")?;
    check::equal(again.info()?.id(), id, "it is the same map")?;
    let raw = RawMap::new(again.fd())?;
    check::equal(raw.lookup(&key, 0)?, value(1), "with its content")?;

    let read_only = RawMap::new(sys::obj_get(pin.path(), maps::F_RDONLY)?)?;
    check::equal(
        read_only.lookup(&key, 0)?,
        value(1),
        "lookup by a read-only descriptor",
    )?;
    check::errno(
        read_only.update(&key, &value(2), ANY),
        libc::EPERM,
        "update by it",
    )?;
    drop(read_only);

    pin.remove();
    check::errno(sys::obj_get(pin.path(), 0), ENOENT, "the path after unpin")?;
    check::equal(
        raw.lookup(&key, 0)?,
        value(1),
        "the open descriptor keeps the map",
    )?;
    drop(again);
    wait::until(
        "the map to be freed",
        || Ok(sys::map::fd_by_id(id).is_err()),
    )
}

fn shared(on: Type) -> Result<()> {
    let pin = Pin::new("suite_shared");
    let counting = Loader::new()
        .lpm_type(on.map_type())
        .load(objects::SHARED)?;
    let id = sys::map::info(counting.map("lpm")?.fd().as_fd())?.id;
    counting.map("lpm")?.pin(pin.path())?;
    let reporting = Loader::new()
        .reuse("lpm", sys::obj_get(pin.path(), 0)?)
        .load(objects::SHARED)?;
    let count = counting.load_program("count")?;
    let report = reporting.load_program("report")?;

    let map = RawMap::new(sys::obj_get(pin.path(), 0)?)?;
    map.update(&v4([10, 1, 0, 0], 16), &value(40), ANY)?;
    for _ in 0..2 {
        check::equal(
            count.test_run(&[0; 64])?.retval,
            1,
            "the first program finds the prefix",
        )?;
    }
    check::equal(
        report.test_run(&[0; 64])?.retval,
        42,
        "the second sees what it counted",
    )?;
    check::equal(
        map.lookup(&v4([10, 1, 2, 3], 32), 0)?,
        value(42),
        "and so does userspace",
    )?;

    pin.remove();
    drop((map, counting, reporting, count));
    check::equal(
        report.test_run(&[0; 64])?.retval,
        42,
        "a program keeps the map",
    )?;
    check::ok(sys::map::fd_by_id(id), "its id is still there")?;
    drop(report);
    wait::until("the map to be freed with the last program", || {
        Ok(sys::map::fd_by_id(id).is_err())
    })
}
