// SPDX-License-Identifier: MIT OR Apache-2.0
//! BPF_MAP_FREEZE: userspace can still read, but no longer write.

use std::{fs, os::fd::AsRawFd};

use anyhow::Result;
use libc::EPERM;
use lpm_mtrie::Loader;

use crate::{
    check,
    harness::{Test, Type},
    maps::{self, IPV4, value},
    model::ANY,
    objects,
    prefix::v4,
};

pub const TESTS: &[Test] = &[
    Test::both("freeze_stops_userspace", userspace),
    Test::both("freeze_lets_programs_write", programs),
];

fn userspace(on: Type) -> Result<()> {
    let map = maps::create(on, IPV4)?;
    let key = v4([10, 0, 0, 0], 8);
    map.update(&key, &value(1), ANY)?;
    check::ok(map.freeze(), "freeze")?;
    check::errno(map.update(&key, &value(2), ANY), EPERM, "update")?;
    check::errno(map.delete(&key), EPERM, "delete")?;
    let batch = map.update_batch(&[(key.clone(), value(2))], ANY);
    check::errno(batch.result, EPERM, "update batch")?;
    check::errno(
        map.delete_batch(std::slice::from_ref(&key)).result,
        EPERM,
        "delete batch",
    )?;
    check::equal(map.lookup(&key, 0)?, value(1), "lookup")?;
    check::equal(map.next_key(None)?, key, "next_key")?;
    check::equal(map.lookup_batch(None, 1).elements.len(), 1, "lookup batch")?;
    check::errno(map.freeze(), EPERM, "freeze is a write too")?;
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{}", map.fd().as_raw_fd()))?;
    check::holds(text.contains("frozen:\t1"), "fdinfo says so")
}

fn programs(on: Type) -> Result<()> {
    let object = Loader::new()
        .lpm_type(on.map_type())
        .load(objects::SHARED)?;
    let map = raw_bpf::RawMap::new(object.map("lpm")?.fd())?;
    let key = v4([10, 1, 0, 0], 16);
    map.update(&key, &value(5), ANY)?;
    map.freeze()?;
    let program = object.load_program("count")?;
    check::equal(
        program.test_run(&[0; 64])?.retval,
        1,
        "the program found its prefix",
    )?;
    check::equal(map.lookup(&key, 0)?, value(6), "and counted in the value")
}
