// SPDX-License-Identifier: MIT OR Apache-2.0
//! The memory of a map while a sleepable program stays inside its reader section and all CPUs
//! replace and delete: nothing that is removed can be freed.
//!
//! ```text
//! parked        a syscall program that holds a value, asleep in bpf_copy_from_user()
//! on each CPU   test runs of an XDP program, and a thread that calls bpf(2)
//! a child       updates by bpf(2), killed while it waits
//! ```
//!
//! Updates then take memory until the program leaves: those of programs are refused with -ENOMEM,
//! those of bpf(2) wait. LPM_MTRIE_PARKED_SECONDS sets how long they write. LPM_TRIE's figures are
//! printed for comparison: it reuses memory after a grace period of RCU, even while the program
//! holds a value.

mod blocked;
mod scene;

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use libc::{ENOENT, ENOMEM};

use self::{
    blocked::Updater,
    scene::{
        Count, KEPT, SHAPE, Scene, Thread, delete_some, fill, key, update_by_syscall_program, value,
    },
};
use super::create::field;
use crate::{
    check, fault_injection,
    harness::{Test, Type},
    maps,
    memory::{available, unreclaimable_slab},
    model::ANY,
    random,
    userfault::MissingPage,
    wait,
};

pub const TESTS: &[Test] = &[Test::mtrie(
    "retired_memory_is_bounded_while_a_sleepable_program_is_parked",
    bounded,
)];

const MIB: u64 = 1 << 20;
/// How much a map may hold beyond twice its live bytes.
const SLACK: u64 = 16 * MIB;
/// How much the kernel may take for other purposes meanwhile.
const OTHERS: u64 = 8 * MIB;
/// A run ends below this much available memory, before the OOM killer is invoked.
const LEAST_AVAILABLE: u64 = 512 * MIB;
const PAUSE: Duration = Duration::from_millis(10);

fn bounded(on: Type) -> Result<()> {
    let trie = Type::lpm_trie();
    for (name, on) in [("lpm_mtrie", on), ("lpm_trie", trie)] {
        let peak = plain_updates(on)?;
        println!();
        print!("  {name}, nobody parked: {peak}");
    }
    let (peak, outcome) = parked(trie, seconds()?.min(3))?;
    let kept = if outcome == KEPT { "stayed" } else { "changed" };
    println!("\n  lpm_trie, parked: {peak}; the held value {kept}");

    let (peak, outcome) = parked(on, seconds()?)?;
    print!("  lpm_mtrie, parked: {peak} ... ");
    check::equal(outcome, KEPT, "the parked program's verdict on its value")?;
    bound(&peak)
}

/// How long all CPUs write.
fn seconds() -> Result<u64> {
    let debug = fault_injection::is_needed_or_there();
    Ok(random::number("LPM_MTRIE_PARKED_SECONDS")?.unwrap_or(if debug { 5 } else { 10 }))
}

/// The peak values of a run, in bytes.
struct Peak {
    /// What a map with all prefixes reports.
    live: u64,
    /// What the map reported.
    held: u64,
    /// By how much the kernel's slabs grew.
    slab: u64,
    /// By how much less memory was available.
    taken: u64,
    writes: String,
}

impl std::fmt::Display for Peak {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [live, held, slab, taken] =
            [self.live, self.held, self.slab, self.taken].map(|bytes| bytes as f64 / MIB as f64);
        write!(
            f,
            "live {live:.1} MiB, held {held:.1}, slab +{slab:.1}, available -{taken:.1}; {}",
            self.writes
        )
    }
}

fn bound(peak: &Peak) -> Result<()> {
    let most = 2 * peak.live + SLACK;
    check::holds(
        peak.held <= most,
        &format!(
            "the map held {} bytes, at most {most} are allowed",
            peak.held
        ),
    )?;
    // The debug kernel puts red zones around objects, and keeps freed ones for a while.
    check::holds(
        fault_injection::is_needed_or_there() || peak.slab <= most + OTHERS,
        &format!(
            "the slabs grew by {} bytes, at most {most} are allowed",
            peak.slab
        ),
    )
}

/// What a fresh map with the same content reports.
fn fresh(on: Type, contents: fn(&raw_bpf::RawMap) -> Result<()>) -> Result<u64> {
    let map = maps::create(on, SHAPE)?;
    contents(&map)?;
    field(&map, "memlock")
}

/// Watches the memory while the writers write; ends early if it gets scarce.
fn watch(scene: &Scene, on: Type, duration: Duration, before: [u64; 2]) -> Result<Peak> {
    let mut peak = Peak {
        live: fresh(on, fill)?,
        held: 0,
        slab: 0,
        taken: 0,
        writes: String::new(),
    };
    let [slab, memory] = before;
    let end = Instant::now() + duration;
    while Instant::now() < end {
        peak.held = peak.held.max(field(&scene.map, "memlock")?);
        peak.slab = peak.slab.max(unreclaimable_slab()?.saturating_sub(slab));
        let available = available()?;
        peak.taken = peak.taken.max(memory.saturating_sub(available));
        if available < LEAST_AVAILABLE {
            break;
        }
        thread::sleep(PAUSE);
    }
    Ok(peak)
}

/// The same writers without the parked program.
fn plain_updates(on: Type) -> Result<Peak> {
    let duration = Duration::from_secs(seconds()?.min(3));
    let scene = Scene::new(on)?;
    let before = [unreclaimable_slab()?, available()?];
    let writers = scene.start_writers(cpus()?);
    let peak = watch(&scene, on, duration, before);
    scene.stop();
    let calls = ended(writers)?;
    Ok(Peak {
        writes: writes(&scene, calls)?,
        ..peak?
    })
}

fn cpus() -> Result<usize> {
    Ok(thread::available_parallelism()?.get())
}

/// How many calls of bpf(2) the writers made.
fn ended(writers: Vec<Thread<u64>>) -> Result<u64> {
    writers.into_iter().map(Thread::ends).sum()
}

/// Describes what was written, after checking that the programs met no unexpected result.
fn writes(scene: &Scene, calls: u64) -> Result<String> {
    for (what, why) in [
        (Count::NotDeleted, "deletions by programs that failed"),
        (Count::Otherwise, "unexpected errnos of programs"),
    ] {
        check::equal(scene.count(what)?, 0, why)?;
    }
    let counts = [Count::Done, Count::Missing, Count::NoLock, Count::NoMemory];
    let counts = counts.map(|what| Ok(format!("{what:?} {}", scene.count(what)?)));
    let counts: Result<Vec<_>> = counts.into_iter().collect();
    Ok(format!("bpf(2) {calls}, programs {}", counts?.join(" ")))
}

/// All CPUs write for some seconds while the program is parked. Returns the peak, and the program's
/// verdict on its value.
fn parked(on: Type, seconds: u64) -> Result<(Peak, u32)> {
    let scene = Scene::new(on)?;
    // The child must be created before any thread is.
    let updater = Updater::new(&scene.map)?;
    let before = [unreclaimable_slab()?, available()?];
    let page = MissingPage::new()?;
    let parked = scene.park(&page)?;
    let writers = scene.start_writers(cpus()?);
    let result = watch(&scene, on, Duration::from_secs(seconds), before).and_then(|peak| {
        check::holds(!parked.is_finished(), "the program is parked")?;
        if on.is_mtrie() {
            bound(&peak).with_context(|| peak.to_string())?;
            at_the_limit(&scene, updater)?;
        }
        Ok(peak)
    });
    // In any case, so that nothing is left waiting.
    page.supply()?;
    let outcome = parked.ends();
    scene.stop();
    let calls = ended(writers);
    let peak = result?;
    let peak = Peak {
        writes: writes(&scene, calls?)?,
        ..peak
    };
    recovers(on, &scene)?;
    Ok((peak, outcome?))
}

/// Checks that the limit is reached, and stays so while the program is parked.
fn at_the_limit(scene: &Arc<Scene>, mut updater: Updater) -> Result<()> {
    updater.start()?;
    updater.wait_until_blocked()?;
    check::equal(
        update_by_syscall_program(&scene.map)?.ends()?,
        -ENOMEM,
        "bpf(2) called by a program, which must not wait for the program itself",
    )?;
    updater.dies_of_sigkill()?;
    delete_some(scene).ends()
}

/// Checks the map after the program has left.
fn recovers(on: Type, scene: &Scene) -> Result<()> {
    let program = scene.load("update")?;
    wait::until("a program's update to succeed", || {
        match program.test_run(&[0; 64])?.retval as i32 {
            0 => Ok(true),
            errno => check::equal(errno, ENOMEM, "the errno until then").map(|()| false),
        }
    })?;
    check::ok(
        scene.map.update(&key(0), &value(1), ANY),
        "an update by bpf(2)",
    )?;
    for key in scene.map.keys(2 * SHAPE.max_entries as usize)? {
        check::ok(scene.map.delete(&key), "a deletion")?;
    }
    check::errno(scene.map.next_key(None), ENOENT, "the map is empty")?;
    // A few spare blocks may be kept.
    let most = fresh(on, |_| Ok(()))? + (64 << 10);
    let mut held = 0;
    wait::until("what was removed to be freed", || {
        held = field(&scene.map, "memlock")?;
        Ok(held <= most)
    })
    .with_context(|| format!("the empty map holds {held} bytes, at most {most} are allowed"))
}
