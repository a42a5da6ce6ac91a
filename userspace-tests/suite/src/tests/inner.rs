// SPDX-License-Identifier: MIT OR Apache-2.0
//! The map as inner map of arrays and hashes of maps.

use std::{
    os::fd::{AsFd, AsRawFd, BorrowedFd},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use anyhow::{Result, anyhow};
use libc::{EINVAL, ENOENT};
use lpm_mtrie::{Loader, Object};
use raw_bpf::{RawMap, sys};

use crate::{
    check,
    harness::{Test, Type},
    maps::{self, IPV4, Shape, value},
    model::ANY,
    objects,
    prefix::v4,
};

pub const TESTS: &[Test] = &[
    Test::both("inner_map_is_used_by_programs", used),
    Test::both("inner_map_is_replaced", replaced),
    Test::both(
        "inner_map_is_replaced_while_programs_use_it",
        replaced_in_use,
    ),
    Test::both("inner_map_must_match_the_template", must_match),
    Test::mtrie("inner_map_of_the_other_type_is_refused", other_type),
];

/// The outer maps of bpf/inner.bpf.c, the programs that use them, and the keys of these.
const OUTER: [(&str, &str, u32); 2] = [
    ("in_array", "through_array", 1),
    ("in_hash", "through_hash", 77),
];

fn load(on: Type) -> Result<Object> {
    Ok(Loader::new().lpm_type(on.map_type()).load(objects::INNER)?)
}

fn put(outer: &RawMap<&aya::maps::MapFd>, key: u32, inner: BorrowedFd<'_>) -> std::io::Result<()> {
    outer.update(&key.to_ne_bytes(), &inner.as_raw_fd().to_ne_bytes(), ANY)
}

fn filled(on: Type, number: u64) -> Result<RawMap> {
    let map = maps::create(on, IPV4)?;
    map.update(&v4([10, 1, 0, 0], 16), &value(number), ANY)?;
    map.update(&v4([10, 3, 0, 0], 16), &value(3), ANY)?;
    Ok(map)
}

fn used(on: Type) -> Result<()> {
    let object = load(on)?;
    for (outer_name, program, key) in OUTER {
        let outer = RawMap::new(object.map(outer_name)?.fd())?;
        let program = object.load_program(program)?;
        let run = || -> Result<i32> { Ok(program.test_run(&[0; 64])?.retval as i32) };
        check::equal(run()?, -1, "no inner map yet")?;

        let inner = filled(on, 5)?;
        check::ok(
            put(&outer, key, inner.fd()),
            &format!("put it into {outer_name}"),
        )?;
        check::equal(run()?, 5, "the program finds its value")?;
        check::equal(
            inner.lookup(&v4([10, 2, 0, 0], 16), 0)?,
            value(222),
            "it inserted",
        )?;
        check::errno(
            inner.lookup(&v4([10, 3, 0, 0], 16), 0),
            ENOENT,
            "and deleted",
        )?;
        let id = sys::map::info(inner.fd())?.id;
        check::equal(
            outer.lookup(&key.to_ne_bytes(), 0)?,
            id.to_ne_bytes().to_vec(),
            "its id",
        )?;

        drop(inner);
        check::equal(run()?, 5, "the outer map keeps it")?;
        outer.delete(&key.to_ne_bytes())?;
        check::equal(run()?, -1, "removed again")?;
    }
    Ok(())
}

fn replaced(on: Type) -> Result<()> {
    let object = load(on)?;
    for (outer_name, program, key) in OUTER {
        let outer = RawMap::new(object.map(outer_name)?.fd())?;
        let program = object.load_program(program)?;
        for number in 1..20u64 {
            // The previous one loses its last reference here.
            put(&outer, key, filled(on, number)?.fd())?;
            let retval = program.test_run(&[0; 64])?.retval;
            check::equal(u64::from(retval), number, "the newest inner map answers")?;
        }
    }
    Ok(())
}

/// One CPU runs the program while another replaces the inner map.
fn replaced_in_use(on: Type) -> Result<()> {
    const MAPS: u64 = 100;
    let object = load(on)?;
    for (outer_name, program, key) in OUTER {
        let outer = RawMap::new(object.map(outer_name)?.fd())?;
        let program = object.load_program(program)?;
        put(&outer, key, filled(on, 1)?.fd())?;
        let done = AtomicBool::new(false);
        let (mut last, mut answers) = (1, 0);
        thread::scope(|scope| {
            let replacing = scope.spawn(|| {
                // In any case, so that the other thread ends.
                let replaced: Result<()> = (2..=MAPS)
                    .try_for_each(|number| Ok(put(&outer, key, filled(on, number)?.fd())?));
                done.store(true, Ordering::Relaxed);
                replaced
            });
            while !done.load(Ordering::Relaxed) {
                let answer = u64::from(program.test_run(&[0; 64])?.retval);
                check::holds(
                    (last..=MAPS).contains(&answer),
                    &format!("after map {last} comes the same or a later one, not {answer}"),
                )?;
                (last, answers) = (answer, answers + 1);
            }
            replacing
                .join()
                .map_err(|_| anyhow!("the replacing thread panicked"))?
        })?;
        check::holds(answers > 0, "the program ran meanwhile")?;
        let answer = program.test_run(&[0; 64])?.retval;
        check::equal(u64::from(answer), MAPS, "the last map answers at the end")?;
    }
    Ok(())
}

fn must_match(on: Type) -> Result<()> {
    let object = load(on)?;
    let outer = RawMap::new(object.map("in_array")?.fd())?;
    for (what, shape) in [
        ("other key size", Shape { data: 16, ..IPV4 }),
        ("other value size", Shape { value: 4, ..IPV4 }),
    ] {
        let map = maps::create(on, shape)?;
        check::errno(put(&outer, 1, map.fd()), EINVAL, what)?;
    }
    let larger = maps::create(
        on,
        Shape {
            max_entries: 1 << 20,
            ..IPV4
        },
    )?;
    check::ok(put(&outer, 1, larger.fd()), "max_entries may differ")
}

fn other_type(on: Type) -> Result<()> {
    let object = load(on)?;
    let outer = RawMap::new(object.map("in_hash")?.fd().as_fd())?;
    let trie = maps::create(Type::lpm_trie(), IPV4)?;
    let fd = trie.fd().as_raw_fd().to_ne_bytes();
    check::errno(
        outer.update(&77u32.to_ne_bytes(), &fd, ANY),
        EINVAL,
        "LPM_TRIE in its place",
    )
}
