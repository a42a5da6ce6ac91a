// SPDX-License-Identifier: MIT OR Apache-2.0
//! bpf(2) never fails for lack of memory while the machine has plenty, even while programs on all
//! CPUs take whatever is available without waiting.
//!
//! LPM_MTRIE_FILL sets the number of prefixes.

use std::{
    io,
    os::fd::AsFd,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use anyhow::{Context, Result, anyhow, ensure};
use libc::ETIMEDOUT;
use lpm_mtrie::Loader;
use raw_bpf::{
    RawMap,
    sys::prog::{TestRun, test_run},
};

use crate::{
    check, fault_injection,
    harness::{Test, Type},
    memory::available,
    model::ANY,
    objects,
    prefix::v4,
    random,
};

pub const TESTS: &[Test] = &[
    Test::both("batch_update_never_lacks_memory", by_batches),
    Test::both("elements_fill_never_lacks_memory", |on| {
        filled(on, one_by_one)
    }),
];

/// The free memory above which a refusal is wrong.
const PLENTY: u64 = 256 << 20;
const BATCH: u32 = 10_000;

fn prefixes() -> Result<u32> {
    let debug = fault_injection::is_needed_or_there();
    let most = if debug { 4_000 } else { 100_000 };
    Ok(random::number("LPM_MTRIE_FILL")?.map_or(most, |number| number as u32))
}

/// One of the prefixes of bpf(2), never below 0.0.0.0/8.
fn element(number: u32) -> (Vec<u8>, Vec<u8>) {
    let address = number.wrapping_mul(0x9e37_79b1) | 1 << 31;
    let [low, high] = [u64::from(number), u64::from(!number)].map(u64::to_ne_bytes);
    (v4(address.to_be_bytes(), 32), [low, high].concat())
}

fn by_batches(on: Type) -> Result<()> {
    filled(on, |map, numbers| {
        let batch: Vec<_> = numbers.map(element).collect();
        let mut rest = &batch[..];
        loop {
            let done = map.update_batch(rest, ANY);
            if timed_out(&done.result) {
                rest = &rest[done.count as usize % rest.len()..];
                continue;
            }
            let why = format!(
                "a batch of {}, of which {} were done",
                rest.len(),
                done.count
            );
            return check::ok(done.result, &why);
        }
    })
}

fn one_by_one(map: &RawMap, mut numbers: std::ops::Range<u32>) -> Result<()> {
    numbers.try_for_each(|number| {
        let (key, value) = element(number);
        let mut result = map.update(&key, &value, ANY);
        while timed_out(&result) {
            result = map.update(&key, &value, ANY);
        }
        check::ok(result, &format!("the update of prefix {number}"))
    })
}

/// The virtual CPU whose program has the map's lock did not run for long.
fn timed_out<T>(result: &io::Result<T>) -> bool {
    matches!(result, Err(error) if error.raw_os_error() == Some(ETIMEDOUT))
}

/// `write` inserts all prefixes, while programs on all CPUs replace values.
fn filled(on: Type, write: fn(&RawMap, std::ops::Range<u32>) -> Result<()>) -> Result<()> {
    let object = Loader::new()
        .lpm_type(on.map_type())
        .load(objects::ENOUGH_MEMORY)?;
    let map = RawMap::new(object.map("lpm")?.fd().as_fd().try_clone_to_owned()?)?;
    let program = object.load_program("replace")?;
    let prefixes = prefixes()?;
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let cpus = thread::available_parallelism()?.get();
        let programs: Vec<_> = (0..cpus)
            .map(|_| {
                scope.spawn(|| -> Result<()> {
                    let run = TestRun {
                        data: &[0; 64],
                        ctx: &[],
                        repeat: 4,
                    };
                    while !stop.load(Ordering::Relaxed) {
                        test_run(program.as_fd(), &run).context("BPF_PROG_TEST_RUN")?;
                    }
                    Ok(())
                })
            })
            .collect();
        let written = (0..prefixes).step_by(BATCH as usize).try_for_each(|from| {
            let numbers = from..(from + BATCH).min(prefixes);
            write(&map, numbers).with_context(|| {
                let free = available().map_or(0, |bytes| bytes >> 20);
                format!("from prefix {from} on, with {free} MiB available")
            })
        });
        stop.store(true, Ordering::Relaxed);
        for program in programs {
            program.join().map_err(|_| anyhow!("a thread panicked"))??;
        }
        written
    })?;
    ensure!(
        available()? > PLENTY,
        "the machine is too small for this test"
    );
    print!("{prefixes} prefixes ... ");
    for number in (0..prefixes).step_by(1009) {
        let (key, value) = element(number);
        check::equal(map.lookup(&key, 0)?, value, "a value that was written")?;
    }
    Ok(())
}
