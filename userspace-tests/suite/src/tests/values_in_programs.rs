// SPDX-License-Identifier: MIT OR Apache-2.0
//! A program holds a pointer to a value while another CPU deletes the prefix or gives it another
//! value.

use std::thread;

use anyhow::{Result, anyhow};
use libc::ENOENT;
use lpm_mtrie::{Loader, Object, Program};
use raw_bpf::{
    RawMap,
    sys::prog::{TestRun, test_run},
};

use crate::{
    check,
    harness::{Test, Type},
    model::ANY,
    objects,
    prefix::v4,
    wait,
};

macro_rules! test {
    ($name:literal, $holder:expr, $change:expr) => {
        Test::both($name, |on| kept(on, &$holder, $change))
    };
}

pub const TESTS: &[Test] = &[
    test!(
        "values_held_stay_whole_while_deleted",
        CLASSIFIER,
        Change::Delete
    )
    .not_on_debug(),
    test!(
        "values_held_stay_whole_while_replaced",
        CLASSIFIER,
        Change::Replace
    )
    .not_on_debug(),
    test!(
        "values_held_stay_whole_while_deleted_and_inserted_again",
        CLASSIFIER,
        Change::DeleteAndInsert
    ),
    test!(
        "values_held_by_a_sleepable_program_stay_whole_while_deleted",
        SYSCALL,
        Change::Delete
    )
    .not_on_debug(),
    test!(
        "values_held_by_a_sleepable_program_stay_whole_while_replaced",
        SYSCALL,
        Change::Replace
    )
    .not_on_debug(),
    test!(
        "values_held_by_a_sleepable_program_stay_whole_while_deleted_and_inserted_again",
        SYSCALL,
        Change::DeleteAndInsert
    ),
];

/// A program of bpf/held.bpf.c.
struct Holder {
    load: fn(&Object) -> Result<Program>,
    run: fn(&Program) -> Result<u32>,
    /// RCU grace periods pass while it runs.
    sleepable: bool,
}

const CLASSIFIER: Holder = Holder {
    load: |object| Ok(object.load_program("hold_in_classifier")?),
    run: |program| Ok(program.test_run(&[0; 64])?.retval),
    sleepable: false,
};

const SYSCALL: Holder = Holder {
    load: |object| Ok(object.load_syscall_program("hold_in_syscall")?),
    run: |program| {
        let run = TestRun {
            data: &[],
            ctx: &[],
            repeat: 0,
        };
        Ok(test_run(std::os::fd::AsFd::as_fd(program), &run)?.retval)
    },
    sleepable: true,
};

#[derive(Clone, Copy)]
enum Change {
    Delete,
    Replace,
    DeleteAndInsert,
}

/// `enum flag` and `enum outcome` of bpf/held.bpf.c.
const HOLDING: [u8; 4] = 0u32.to_ne_bytes();
const GO_ON: [u8; 4] = 1u32.to_ne_bytes();
const KEPT: u32 = 0;
const GAVE_UP: u32 = 2;

const OLD: u64 = 1000;
const NEW: u64 = 2000;

fn value(number: u64) -> Vec<u8> {
    number.to_ne_bytes().repeat(8)
}

fn kept(on: Type, holder: &Holder, change: Change) -> Result<()> {
    check::holds(
        thread::available_parallelism()?.get() > 1,
        "the test needs two CPUs",
    )?;
    let object = Loader::new().lpm_type(on.map_type()).load(objects::HELD)?;
    let map = RawMap::new(object.map("held")?.fd())?;
    let flags = RawMap::new(object.map("flags")?.fd())?;
    let program = (holder.load)(&object)?;
    let key = v4([10, 1, 0, 0], 16);

    let mut outcome = GAVE_UP;
    wait::until("the program to hold the value long enough", || {
        map.update(&key, &value(OLD), ANY)?;
        for flag in [HOLDING, GO_ON] {
            flags.update(&flag, &[0; 8], ANY)?;
        }
        outcome = thread::scope(|scope| {
            let running = scope.spawn(|| (holder.run)(&program));
            while flags.lookup(&HOLDING, 0)? == [0; 8] && !running.is_finished() {
                thread::yield_now();
            }
            take_away(&map, &key, change, holder.sleepable)?;
            flags.update(&GO_ON, &1u64.to_ne_bytes(), ANY)?;
            running
                .join()
                .map_err(|_| anyhow!("the program's thread panicked"))?
        })?;
        Ok(outcome != GAVE_UP)
    })?;
    check::equal(outcome, KEPT, "the program's verdict on its value")?;
    match change {
        Change::Delete => check::errno(map.lookup(&key, 0), ENOENT, "the prefix was deleted"),
        Change::Replace | Change::DeleteAndInsert => check::equal(
            map.lookup(&key, 0)?,
            value(NEW),
            "the new value, which the program did not write to",
        ),
    }
}

fn take_away(
    map: &RawMap<&aya::maps::MapFd>,
    key: &[u8],
    change: Change,
    grace_periods: bool,
) -> Result<()> {
    match change {
        Change::Delete => map.delete(key)?,
        Change::Replace => map.update(key, &value(NEW), ANY)?,
        Change::DeleteAndInsert => {
            map.delete(key)?;
            map.update(key, &value(NEW), ANY)?;
        }
    }
    if grace_periods {
        wait::grace_period()?;
    }
    // New elements, which would reuse freed memory.
    for last in 0..16 {
        let other = v4([11, 0, last, 0], 24);
        map.update(&other, &value(NEW + 1), ANY)?;
        map.delete(&other)?;
    }
    Ok(())
}
