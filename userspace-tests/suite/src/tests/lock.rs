// SPDX-License-Identifier: MIT OR Apache-2.0
//! The lock of a map's writers: a program that runs while it is held and writes to the map gets an
//! error and changes nothing, or waits for its turn; nothing hangs.

use std::{
    os::fd::{AsFd, OwnedFd},
    process,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use anyhow::{Context, Result, anyhow};
use aya_obj::generated::bpf_attach_type::BPF_PERF_EVENT;
use libc::{EDEADLK, ENOENT, ETIMEDOUT};
use lpm_mtrie::{Loader, Object, Program};
use raw_bpf::{
    RawMap,
    sys::prog::{Target, link_create, raw_tracepoint_open},
};

use crate::{
    check, content,
    harness::{Test, Type},
    maps::value,
    model::ANY,
    objects, perf,
    prefix::{scattered, v4},
    random::Random,
    wait,
};

pub const TESTS: &[Test] = &[
    Test::mtrie("lock_recursion_is_detected_in_a_syscall", |on| {
        reentered(on, syscalls)
    }),
    Test::mtrie("lock_recursion_is_detected_in_a_program", |on| {
        reentered(on, programs)
    }),
    Test::mtrie("lock_recursion_is_detected_in_a_tracepoint", tracepoint),
    Test::mtrie("lock_abba_is_detected", crosswise),
    Test::mtrie("lock_does_not_hang_in_a_perf_event", perf_event),
];

/// `enum count` of bpf/reenter.bpf.c.
#[derive(Clone, Copy, Debug)]
enum Count {
    Found,
    Done,
    Missing,
    Deadlock,
    Timeout,
    NoMemory,
    Otherwise,
}
const ALL: [Count; 7] = [
    Count::Found,
    Count::Done,
    Count::Missing,
    Count::Deadlock,
    Count::Timeout,
    Count::NoMemory,
    Count::Otherwise,
];

struct Loaded {
    object: Object,
    lpm: RawMap,
    other: RawMap,
    counts: RawMap,
}

/// The function through which writers allocate without sleeping.
const ALLOCATION: &std::ffi::CStr = c"bpf_map_kmalloc_nolock";
/// More than the tests ever insert.
const LIMIT: usize = 1 << 14;

impl Loaded {
    fn new(on: Type) -> Result<Self> {
        let object = Loader::new()
            .lpm_type(on.map_type())
            .max_entries("lpm", LIMIT as u32)
            .constant("caller", &process::id().to_ne_bytes())
            .load(objects::REENTER)?;
        let map = |name: &str| -> Result<RawMap> {
            let fd = object.map(name)?.fd().as_fd().try_clone_to_owned()?;
            Ok(RawMap::new(fd)?)
        };
        let (lpm, other, counts) = (map("lpm")?, map("other")?, map("counts")?);
        for map in [&lpm, &other] {
            // What the programs look up and delete, and neighbours: a node for all of 10.0.0.0/8,
            // which is copied when 11.7.0.0/16 is inserted and deleted.
            for second in [1, 6, 8, 9] {
                map.update(&v4([10, second, 0, 0], 16), &value(111), ANY)?;
            }
        }
        Ok(Self {
            object,
            lpm,
            other,
            counts,
        })
    }

    fn on_allocation(&self, program: &str) -> Result<(Program, OwnedFd, OwnedFd)> {
        let event = perf::kprobe(ALLOCATION)?;
        let program = self.object.load_program(program)?;
        let link = attach(&program, &event)?;
        Ok((program, event, link))
    }

    fn count(&self, what: Count) -> Result<u64> {
        let bytes = self.counts.lookup(&(what as u32).to_ne_bytes(), 0)?;
        let bytes = bytes.try_into().ok().context("a count of 8 bytes")?;
        Ok(u64::from_ne_bytes(bytes))
    }

    /// Waits until `reached` returns true; an error includes the programs' results so far.
    fn wait_until(&self, what: &str, reached: impl FnMut() -> Result<bool>) -> Result<()> {
        wait::until(what, reached).with_context(|| {
            let counts = ALL.map(|what| self.count(what).unwrap_or_default());
            format!("{ALL:?} are {counts:?}")
        })
    }

    /// Checks that only these results occurred, and prints all counts with the verdict.
    fn seen(&self, allowed: &[Count]) -> Result<()> {
        for what in ALL {
            let count = self.count(what)?;
            let fine = count == 0 || allowed.iter().any(|other| *other as u32 == what as u32);
            check::holds(
                fine,
                &format!("result {} occurred {count} times", what as u32),
            )?;
            print!("{count} ");
        }
        print!("... ");
        Ok(())
    }
}

fn attach(program: &Program, event: &OwnedFd) -> Result<OwnedFd> {
    let target = Target::Fd(event.as_fd());
    link_create(program.as_fd(), target, BPF_PERF_EVENT).context("attach to an event")
}

/// The program runs under the lock of the writer that it interrupts.
fn reentered(on: Type, write: fn(&Loaded) -> Result<()>) -> Result<()> {
    let loaded = Loaded::new(on)?;
    let before = content::of(&loaded.lpm, LIMIT)?;
    let attached = loaded.on_allocation("in_allocation")?;
    write(&loaded)?;
    drop(attached);

    check::holds(
        loaded.count(Count::Deadlock)? >= 4,
        "two writes in an update and two in a delete were refused with EDEADLK",
    )?;
    check::equal(
        loaded.count(Count::Found)? * 2,
        loaded.count(Count::Deadlock)?,
        "lookups that succeeded there, one for every two refused writes",
    )?;
    loaded.seen(&[Count::Deadlock, Count::Found])?;
    let after = content::of(&loaded.lpm, LIMIT)?;
    content::same(&after, &before, "the map after an update and its deletion")?;
    write(&loaded).context("without the program")
}

fn syscalls(loaded: &Loaded) -> Result<()> {
    let key = v4([11, 7, 0, 0], 16);
    check::ok(loaded.lpm.update(&key, &value(777), ANY), "the update")?;
    check::ok(loaded.lpm.delete(&key), "the deletion")
}

fn programs(loaded: &Loaded) -> Result<()> {
    let outer = loaded.object.load_program("outer")?;
    let result = outer.test_run(&[0; 64])?;
    check::equal(result.retval, 0, "the errno of update and deletion")
}

/// Changes prefixes below 10.`own` until told to stop; then `map` holds none of them.
fn write_until(end: &AtomicBool, map: &RawMap, own: u8) -> Result<()> {
    let mut random = Random::new(u64::from(own));
    let key = |n: usize| v4([10, own, n as u8, 0], 24);
    let fine = |result: std::io::Result<()>| match result.map_err(|error| error.raw_os_error()) {
        Ok(()) | Err(Some(ENOENT | EDEADLK | ETIMEDOUT)) => Ok(()),
        Err(errno) => Err(anyhow!(
            "a write concurrent with the programs: errno {errno:?}"
        )),
    };
    // Relaxed: the flag orders nothing.
    while !end.load(Ordering::Relaxed) {
        fine(map.update(&key(random.below(64)), &value(random.next()), ANY))?;
        fine(map.delete(&key(random.below(64))))?;
    }
    for n in 0..64 {
        wait::until("a deletion", || match map.delete(&key(n)) {
            Err(error) if error.raw_os_error() != Some(ENOENT) => Ok(false),
            _ => Ok(true),
        })?;
    }
    Ok(())
}

/// Two threads write to these maps until `reached` returns true.
fn two_writers(
    loaded: &Loaded,
    maps: [&RawMap; 2],
    reached: impl FnMut() -> Result<bool>,
) -> Result<()> {
    let end = AtomicBool::new(false);
    thread::scope(|scope| {
        let writers = [(maps[0], 21), (maps[1], 22)].map(|(map, own)| {
            let end = &end;
            scope.spawn(move || write_until(end, map, own))
        });
        let result = loaded.wait_until("the programs to have met the lock", reached);
        // Relaxed: as above.
        end.store(true, Ordering::Relaxed);
        for writer in writers {
            writer.join().map_err(|_| anyhow!("a writer panicked"))??;
        }
        result
    })
}

/// Whether a program's insertion and its deletion have both succeeded.
fn written_by_programs(map: &RawMap) -> bool {
    let [new, old] = [5, 6].map(|second| map.lookup(&v4([10, second, 0, 0], 16), 0).is_ok());
    new && !old
}

/// Checks the content of a map after the programs have inserted and deleted and the writers have
/// stopped.
fn settled(map: &RawMap) -> Result<()> {
    let keys = [1, 5, 8, 9].map(|second| v4([10, second, 0, 0], 16));
    check::equal(map.keys(LIMIT)?, keys.to_vec(), "the prefixes at the end")?;
    check::equal(
        map.lookup(&v4([10, 5, 1, 1], 32), 0)?,
        value(555),
        "the one of the programs",
    )?;
    check::ok(map.update(&keys[0], &value(1), ANY), "an update")?;
    check::ok(map.delete(&keys[0]), "a deletion")
}

const ANYTHING: [Count; 6] = [
    Count::Found,
    Count::Done,
    Count::Missing,
    Count::Deadlock,
    Count::Timeout,
    Count::NoMemory,
];

/// Pages for nodes are allocated under the lock, and that is a tracepoint. It takes many nodes to
/// need a page.
fn tracepoint(on: Type) -> Result<()> {
    let loaded = Loaded::new(on)?;
    let before = content::of(&loaded.lpm, LIMIT)?;
    let program = loaded.object.load_program("on_page")?;
    let link = raw_tracepoint_open(program.as_fd(), c"mm_page_alloc").context("attach")?;
    let keys: Vec<_> = (0..10_000).map(scattered).collect();
    loaded.wait_until("the tracepoint to be hit under the lock", || {
        let mut inserted = 0;
        while inserted < keys.len() && loaded.count(Count::Deadlock)? == 0 {
            for key in &keys[inserted..][..500] {
                check::ok(loaded.lpm.update(key, &value(1), ANY), "an update")?;
            }
            inserted += 500;
        }
        for key in &keys[..inserted] {
            check::ok(loaded.lpm.delete(key), "a deletion")?;
        }
        Ok(loaded.count(Count::Deadlock)? > 0)
    })?;
    drop(link);
    loaded.seen(&ANYTHING)?;
    // Outside the lock the program succeeded: it inserts 10.5/16 and deletes 10.6/16.
    let [new, old] = [5, 6].map(|second| v4([10, second, 0, 0], 16));
    let mut left = content::of(&loaded.lpm, LIMIT)?;
    left.retain(|(key, _)| *key != new);
    let mut want = before;
    want.retain(|(key, _)| *key != old || loaded.lpm.lookup(&old, 0).is_ok());
    content::same(&left, &want, "the map after as many deletions as updates")
}

/// Each writer holds one map's lock, and its program also takes the other's.
fn crosswise(on: Type) -> Result<()> {
    let loaded = Loaded::new(on)?;
    let attached = loaded.on_allocation("in_allocation_of_either")?;
    // In each run two writes are refused, to the map that the program's own writer has locked, and
    // two lookups succeed. Any further refusals, beyond two for each unfinished run, are from a
    // writer that waited for this one.
    two_writers(&loaded, [&loaded.lpm, &loaded.other], || {
        let refused = loaded.count(Count::Deadlock)?;
        Ok(refused > loaded.count(Count::Found)? + 4
            && written_by_programs(&loaded.lpm)
            && written_by_programs(&loaded.other))
    })?;
    drop(attached);
    loaded.seen(&ANYTHING)?;
    settled(&loaded.lpm)?;
    settled(&loaded.other)
}

fn perf_event(on: Type) -> Result<()> {
    let loaded = Loaded::new(on)?;
    let program = loaded.object.load_program("on_clock")?;
    let cpus = thread::available_parallelism()?.get();
    let clocks = (0..cpus).map(|cpu| perf::cpu_clock_on(cpu, 200_000));
    let clocks: Vec<OwnedFd> = clocks.collect::<Result<_>>()?;
    let links = clocks.iter().map(|clock| attach(&program, clock));
    let links: Vec<OwnedFd> = links.collect::<Result<_>>()?;
    two_writers(&loaded, [&loaded.lpm; 2], || {
        Ok(loaded.count(Count::Done)? >= 200 && written_by_programs(&loaded.lpm))
    })?;
    drop(links);
    loaded.seen(&ANYTHING)?;
    settled(&loaded.lpm)
}
