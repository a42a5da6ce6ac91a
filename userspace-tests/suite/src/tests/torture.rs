// SPDX-License-Identifier: MIT OR Apache-2.0
//! Programs and syscalls on all CPUs look up, update, delete, iterate and replace in the same maps,
//! while other maps and programs are created and removed.
//!
//! ```text
//! a thread per CPU   random syscalls                 until their number is reached
//! a thread per CPU   test runs of a classifier       until the others are done
//! attached           sys_enter, a clock on each CPU, getpid (x86-64: in NMI), a writer's inside;
//!                    loaded, attached, detached and unloaded again and again
//! one thread         maps created, filled, pinned, unpinned, freed, again and again
//! ```
//!
//! Each value that is found must have been stored for a prefix that covers the key. Afterwards, the
//! maps hold exactly what the counts say, and all memory is freed. LPM_MTRIE_STEPS sets the number
//! of syscalls of each thread, LPM_MTRIE_SECONDS a duration instead.
//!
//! A module that frees immediately what should wait for a grace period fails here: within 30 s
//! programs on the debug kernel found thousands of foreign values. KASAN reported nothing, since it
//! does not check JIT-compiled code.

mod leaks;
mod lives;
mod pattern;
mod programs;
mod subjects;
mod syscalls;

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread::{self, ScopedJoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};
use libc::ENOENT;

use self::{
    leaks::Charged,
    subjects::{Count, SHAPES, Subjects, Tally},
};
use crate::{
    check,
    harness::{Test, Type},
    kernel_module,
    random::{self, Random},
    wait,
};

pub const TESTS: &[Test] = &[Test::mtrie("torture", torture)];

/// Syscalls of a thread per step of LPM_MTRIE_STEPS.
const SYSCALLS: usize = 50;

fn torture(on: Type) -> Result<()> {
    let seed = random::seed()?;
    let until = Until::from_environment()?;
    let cpus = thread::available_parallelism()?.get();
    check::holds(
        cpus > 1,
        "the machine has two CPUs; with one, nothing runs concurrently",
    )?;
    programs::keep_breakpoints()?;
    kernel_module::wait_for(0)?;
    let charged = Charged::begin()?;
    let start = charged.slab()?;

    let subjects = Subjects::create(on)?;
    let tally = Tally::new();
    let lives = all_at_once(&subjects, &tally, &until, cpus, seed)?;
    report(&subjects, &tally, cpus, lives)?;
    nothing_wrong(&subjects)?;
    for which in 0..subjects.maps.len() {
        holds_what_counts_say(&subjects, &tally, which)?;
    }
    drop(subjects);

    kernel_module::wait_for(0)?;
    charged.wait_for(start)
}

/// When a thread of syscalls is done.
enum Until {
    Syscalls(usize),
    Time(Instant),
}

impl Until {
    fn from_environment() -> Result<Self> {
        Ok(match random::number("LPM_MTRIE_SECONDS")? {
            Some(seconds) => Self::Time(Instant::now() + Duration::from_secs(seconds)),
            None => Self::Syscalls(SYSCALLS * random::steps()?),
        })
    }

    fn reached(&self, done: usize) -> bool {
        match self {
            Self::Syscalls(enough) => done >= *enough,
            Self::Time(end) => Instant::now() >= *end,
        }
    }
}

/// How often other maps and attached programs were created and removed.
struct Lives {
    maps: usize,
    attachments: usize,
}

fn all_at_once(
    subjects: &Subjects,
    tally: &Tally,
    until: &Until,
    cpus: usize,
    seed: u64,
) -> Result<Lives> {
    // The attachments need a running writer, so the runners stop last.
    let (stop_lives, stop_runners) = (AtomicBool::new(false), AtomicBool::new(false));
    let (stop_lives, stop_runners) = (&stop_lives, &stop_runners);
    thread::scope(|scope| {
        let runners: Vec<_> = (0..cpus)
            .map(|_| scope.spawn(move || programs::run(subjects, stop_runners)))
            .collect();
        let attachments = scope
            .spawn(move || again_and_again(stop_lives, || programs::attach_once(subjects, cpus)));
        let maps = scope.spawn(move || {
            let mut random = Random::new(seed);
            again_and_again(stop_lives, || lives::one_life(subjects.on, &mut random))
        });
        let callers: Vec<_> = (1..=cpus as u64)
            .map(|caller| {
                scope.spawn(move || {
                    let mut random = Random::new(seed ^ caller << 32);
                    let mut done = 0;
                    while !until.reached(done) {
                        syscalls::step(subjects, tally, &mut random)?;
                        done += 1;
                    }
                    Ok(())
                })
            })
            .collect();

        let called = joined(callers);
        stop_lives.store(true, Ordering::Relaxed);
        let lives = [("maps", maps), ("attachments", attachments)]
            .map(|(who, thread)| join(thread).context(who));
        stop_runners.store(true, Ordering::Relaxed);
        joined(runners).context("test runs")?;
        called.with_context(|| format!("syscalls, LPM_MTRIE_SEED={seed}"))?;
        let [maps, attachments] = lives;
        Ok(Lives {
            maps: maps?,
            attachments: attachments?,
        })
    })
}

/// Repeats it until `stop`, at least once, and returns how often.
fn again_and_again(stop: &AtomicBool, mut what: impl FnMut() -> Result<()>) -> Result<usize> {
    let mut times = 0;
    loop {
        what()?;
        times += 1;
        if stop.load(Ordering::Relaxed) {
            return Ok(times);
        }
    }
}

fn join<T>(thread: ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().map_err(|_| anyhow!("a thread panicked"))?
}

fn joined(threads: Vec<ScopedJoinHandle<'_, Result<()>>>) -> Result<()> {
    // Join all of them before reporting the first error.
    let results: Vec<_> = threads.into_iter().map(join).collect();
    results.into_iter().collect()
}

/// Prints what was done.
fn report(subjects: &Subjects, tally: &Tally, cpus: usize, lives: Lives) -> Result<()> {
    let both = |what, offset| -> Result<(u64, u64)> {
        Ok((tally.get(what, offset), subjects.count(what, offset)?))
    };
    println!(
        "on {cpus} CPUs; {} lives of maps, {} of attachments",
        lives.maps, lives.attachments
    );
    println!("  by             syscalls   programs");
    for (text, what, maps) in [
        ("found", Count::Found, 1),
        ("inserted", Count::Inserted, 2),
        ("replaced", Count::Replaced, 1),
        ("deleted", Count::Deleted, 2),
        ("refused", Count::Refused, 1),
        ("no lock", Count::NoLock, 1),
        ("no memory", Count::NoMemory, 1),
    ] {
        let (mut calls, mut runs) = (0, 0);
        for offset in 0..maps {
            let (call, run) = both(what, offset)?;
            calls += call;
            runs += run;
        }
        println!("  {text:<12} {calls:>10} {runs:>10}");
    }
    print!("  runs");
    for what in [
        Count::InClassifier,
        Count::InRawTracepoint,
        Count::InPerfEvent,
        Count::InKprobe,
        Count::InWriter,
    ] {
        print!(" {what:?} {}", subjects.count(what, 0)?);
    }
    print!(" ... ");
    Ok(())
}

fn nothing_wrong(subjects: &Subjects) -> Result<()> {
    let one = subjects.count(Count::AWrongOne, 0)?;
    let wrong = [Count::WrongValue, Count::WrongErrno].map(|what| subjects.count(what, 0));
    for (count, what) in wrong.into_iter().zip(["foreign or torn values", "errnos"]) {
        check::equal(
            count?,
            0,
            &format!("programs found unexpected {what}, for example {one:#x}"),
        )?;
    }
    Ok(())
}

/// Walks the map, checks the values, and deletes each element.
fn holds_what_counts_say(subjects: &Subjects, tally: &Tally, which: usize) -> Result<()> {
    let map = &subjects.maps[which];
    let enough = 2 * SHAPES[which].max_entries as usize;
    // A program that was detached may still be in its last run.
    let mut last = (0, 0);
    wait::until("a map to hold what the counts say", || {
        let sum =
            |what| -> Result<u64> { Ok(tally.get(what, which) + subjects.count(what, which)?) };
        let entries = sum(Count::Inserted)?.checked_sub(sum(Count::Deleted)?);
        last = (map.keys(enough)?.len() as u64, entries.unwrap_or(0));
        Ok(entries.is_some() && last.0 == last.1)
    })
    .with_context(|| {
        format!(
            "map {which}: the walk has {}, the counts {} entries",
            last.0, last.1
        )
    })?;
    for key in map.keys(enough)? {
        pattern::is_ours(&key)?;
        pattern::fits(&map.lookup(&key, 0)?, &key)?;
        map.delete(&key).context("delete what was walked over")?;
    }
    check::errno(map.next_key(None), ENOENT, "the map is empty")
}
