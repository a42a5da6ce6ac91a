// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sleepable programs that reach the map as an inner map, while other CPUs
//! delete and reinsert: a value that they hold never becomes another key's.
//!
//! In each round a program (bpf/inner_sleepable.bpf.c) holds all values and sleeps until a missing
//! page is supplied; that happens when every prefix has been deleted and inserted again, and grace
//! periods of RCU have passed. In the end the outer map drops the inner one, and only the program
//! holds it.

use std::{
    os::fd::{AsFd, AsRawFd},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};

use anyhow::{Context, Result, anyhow};
use libc::{ENOENT, ETIMEDOUT};
use lpm_mtrie::{Loader, Program};
use raw_bpf::{RawMap, sys::prog::run_syscall_program};

use crate::{
    check, fault_injection,
    harness::{Test, Type},
    maps::{self, Shape},
    model::ANY,
    objects,
    prefix::v4,
    userfault::MissingPage,
    wait,
};

pub const TESTS: &[Test] = &[Test::mtrie(
    "inner_values_held_by_a_sleepable_program_keep_their_key",
    held,
)];

/// Of the program.
const KEYS: u32 = 4;
const WORDS: usize = 8;
const SHAPE: Shape = Shape {
    data: 4,
    value: 8 * WORDS as u32,
    max_entries: 256,
};

/// `enum outcome` of the program.
const OWN: u32 = 0;
const FOREIGN: [u32; 2] = [3, 4];

fn key(number: u32) -> Vec<u8> {
    v4(number.to_be_bytes(), 32)
}

fn value(number: u32) -> Vec<u8> {
    u64::from(number).to_ne_bytes().repeat(WORDS)
}

fn held(on: Type) -> Result<()> {
    // A round takes 15 s on the debug kernel, a tenth of one on the base kernel.
    let mtrie = if fault_injection::is_needed_or_there() {
        foreign_values(on, 1)?
    } else {
        let trie = foreign_values(Type::lpm_trie(), 100)?;
        let mtrie = foreign_values(on, 100)?;
        print!("foreign values in 100 rounds: lpm_mtrie {mtrie}, lpm_trie {trie} ... ");
        mtrie
    };
    check::equal(mtrie, 0, "rounds in which a value was another key's")
}

/// In how many of the rounds the program found another key's value.
fn foreign_values(on: Type, rounds: u32) -> Result<u32> {
    let object = Loader::new()
        .lpm_type(on.map_type())
        .load(objects::INNER_SLEEPABLE)?;
    let program = object.load_syscall_program("hold_all")?;
    let outer = RawMap::new(object.map("outer")?.fd())?;
    let inner = maps::create(on, SHAPE)?;
    outer.update(&[0; 4], &inner.fd().as_raw_fd().to_ne_bytes(), ANY)?;

    let (stop, turns) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut foreign = 0;
    thread::scope(|scope| {
        let writing = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                take_turn(&inner)?;
                turns.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        });
        // Two turns from now, everything has been deleted once.
        let turned = || {
            let start = turns.load(Ordering::Relaxed);
            wait::until("the prefixes to be written again", || {
                Ok(writing.is_finished() || turns.load(Ordering::Relaxed) > start + 2)
            })
        };
        let result = (0..rounds).try_for_each(|_| {
            let outcome = round(&program, turned)?;
            foreign += u32::from(FOREIGN.contains(&outcome));
            let expected = outcome == OWN || FOREIGN.contains(&outcome);
            check::holds(expected, &format!("the program's outcome {outcome}"))
        });
        stop.store(true, Ordering::Relaxed);
        let written: Result<()> = writing.join().map_err(|_| anyhow!("the writer panicked"))?;
        written.context("the writer").and(result)
    })?;

    let outcome = round(&program, || {
        check::ok(outer.delete(&[0; 4]), "the outer map drops it").or_else(|_| {
            let other = maps::create(on, SHAPE)?;
            Ok::<_, anyhow::Error>(outer.update(
                &[0; 4],
                &other.fd().as_raw_fd().to_ne_bytes(),
                ANY,
            )?)
        })?;
        wait::grace_period()
    })?;
    Ok(foreign + u32::from(FOREIGN.contains(&outcome)))
}

/// Runs the program, and does `meanwhile` while it sleeps.
fn round(program: &Program, meanwhile: impl FnOnce() -> Result<()>) -> Result<u32> {
    let page = MissingPage::new()?;
    let mut run = [page.address().to_ne_bytes(), [0; 8]].concat();
    thread::scope(|scope| {
        let running = scope.spawn(|| run_syscall_program(program.as_fd(), &mut run));
        // A program that finds another key's value at once never sleeps.
        let slept = wait::until("the program to sleep", || {
            Ok(running.is_finished() || page.has_reader()?)
        });
        let done = slept.and_then(|()| meanwhile());
        page.supply()?;
        let outcome = running.join().map_err(|_| anyhow!("the runner panicked"))?;
        done?;
        outcome.context("run the program")
    })
}

/// Deletes and inserts each prefix, and others that take the freed memory.
fn take_turn(map: &RawMap) -> Result<()> {
    let fine = |result: std::io::Result<()>| match result.map_err(|error| error.raw_os_error()) {
        // The lock times out if the CPU that holds it is descheduled, as a virtual one may be.
        Ok(()) | Err(Some(ENOENT | ETIMEDOUT)) => Ok(()),
        Err(errno) => Err(anyhow!("a write gave errno {errno:?}")),
    };
    for number in 0..KEYS {
        fine(map.delete(&key(number)))?;
    }
    wait::grace_period()?;
    for number in KEYS..2 * KEYS {
        fine(map.update(&key(number), &value(number), ANY))?;
    }
    for number in 0..KEYS {
        fine(map.update(&key(number), &value(number), ANY))?;
    }
    for number in KEYS..2 * KEYS {
        fine(map.delete(&key(number)))?;
    }
    Ok(())
}
