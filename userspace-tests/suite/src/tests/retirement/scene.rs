// SPDX-License-Identifier: MIT OR Apache-2.0
//! A map with bpf/parked.bpf.c: the program that sleeps while it holds a value, and writers by
//! programs and bpf(2) on all CPUs. Threads are not scoped, so that one that never ends is an error
//! and not a hang.

use std::{
    os::fd::{AsFd, AsRawFd},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use anyhow::{Context, Result, anyhow, bail};
use libc::{EEXIST, ENOENT, ETIMEDOUT};
use lpm_mtrie::{Loader, Object, Program};
use raw_bpf::{
    RawMap,
    sys::prog::{TestRun, run_syscall_program, test_run},
};

use crate::{
    harness::Type,
    maps::Shape,
    model::{ANY, NOEXIST},
    objects,
    prefix::v4,
    random::Random,
    userfault::MissingPage,
    wait,
};

/// Of bpf/parked.bpf.c.
const PREFIXES: u32 = 2048;
const VALUE: usize = 448;
pub const SHAPE: Shape = Shape {
    data: 4,
    value: VALUE as u32,
    max_entries: 2 * PREFIXES,
};

/// `enum count` there.
#[derive(Clone, Copy, Debug)]
pub enum Count {
    Done,
    Missing,
    NoLock,
    NoMemory,
    NotDeleted,
    Otherwise,
}

/// `enum outcome` there.
pub const KEPT: u32 = 0;

/// The number in all words of the value that the parked program holds.
const HELD: u64 = 0x0123_4567_89ab_cdef;

pub fn value(word: u64) -> Vec<u8> {
    word.to_ne_bytes().repeat(VALUE / 8)
}

/// One of the prefixes that all writers write to.
pub fn key(number: u32) -> Vec<u8> {
    v4(
        number.wrapping_mul(0x9e37_79b1).to_be_bytes(),
        20 + number % 13,
    )
}

fn held_key() -> Vec<u8> {
    v4([203, 0, 113, 0], 24)
}

/// Inserts all prefixes: the largest number of live bytes.
pub fn fill(map: &RawMap) -> Result<()> {
    for number in 0..PREFIXES {
        map.update(&key(number), &value(0), ANY)?;
    }
    map.update(&held_key(), &value(HELD), ANY).context("fill")
}

pub struct Scene {
    object: Object,
    pub map: RawMap,
    counts: RawMap,
    stop: AtomicBool,
}

impl Scene {
    pub fn new(on: Type) -> Result<Arc<Self>> {
        let object = Loader::new()
            .lpm_type(on.map_type())
            .load(objects::PARKED)?;
        let map = |name: &str| -> Result<RawMap> {
            let fd = object.map(name)?.fd().as_fd().try_clone_to_owned()?;
            Ok(RawMap::new(fd)?)
        };
        let (map, counts) = (map("lpm")?, map("counts")?);
        fill(&map)?;
        Ok(Arc::new(Self {
            object,
            map,
            counts,
            stop: AtomicBool::new(false),
        }))
    }

    pub fn count(&self, what: Count) -> Result<u64> {
        let bytes = self.counts.lookup(&(what as u32).to_ne_bytes(), 0)?;
        Ok(u64::from_ne_bytes(bytes.as_slice().try_into()?))
    }

    pub fn load(&self, program: &str) -> Result<Program> {
        Ok(self.object.load_program(program)?)
    }

    /// Starts the program that holds a value, and sleeps until the page is supplied.
    pub fn park(&self, page: &MissingPage) -> Result<Thread<u32>> {
        let program = self.object.load_syscall_program("park")?;
        let address = page.address();
        let thread = Thread::start("the parked program", move || {
            Ok(run_syscall_program(
                program.as_fd(),
                &mut address.to_ne_bytes(),
            )?)
        });
        page.wait_for_reader()?;
        Ok(thread)
    }

    /// Starts, for each CPU, a thread that runs a program and one that calls bpf(2).
    pub fn start_writers(self: &Arc<Self>, cpus: usize) -> Vec<Thread<u64>> {
        (0..cpus as u64)
            .flat_map(|cpu| {
                let (programs, calls) = (self.clone(), self.clone());
                [
                    Thread::start("a runner of programs", move || programs.run_programs()),
                    Thread::start("a caller of bpf(2)", move || {
                        calls.call(&mut Random::new(cpu))
                    }),
                ]
            })
            .collect()
    }

    pub fn stop(&self) {
        // Relaxed: the flag orders nothing.
        self.stop.store(true, Ordering::Relaxed);
    }

    fn stopped(&self) -> bool {
        // Relaxed: as above.
        self.stop.load(Ordering::Relaxed)
    }

    fn run_programs(&self) -> Result<u64> {
        let program = self.load("write")?;
        let run = TestRun {
            data: &[0; 64],
            ctx: &[],
            repeat: 16,
        };
        while !self.stopped() {
            test_run(program.as_fd(), &run).context("BPF_PROG_TEST_RUN")?;
        }
        Ok(0)
    }

    /// Returns how many calls it made. They may fail only because of the map's content.
    fn call(&self, random: &mut Random) -> Result<u64> {
        let mut calls = 0;
        while !self.stopped() {
            let key = if random.below(256) == 0 {
                held_key()
            } else {
                key(random.below(PREFIXES as usize) as u32)
            };
            let result = match random.below(4) {
                0 => self.map.delete(&key),
                1 => self.map.update(&key, &value(calls), NOEXIST),
                _ => self.map.update(&key, &value(calls), ANY),
            };
            match result.as_ref().map_err(|error| error.raw_os_error()) {
                // The lock times out if the CPU that holds it is descheduled, as a virtual one may
                // be.
                Ok(()) | Err(Some(ENOENT | EEXIST | ETIMEDOUT)) => calls += 1,
                Err(_) => result.context("bpf(2) while the program is parked")?,
            }
        }
        Ok(calls)
    }
}

/// A thread that need not be joined.
pub struct Thread<T> {
    what: &'static str,
    handle: JoinHandle<Result<T>>,
}

impl<T: Send + 'static> Thread<T> {
    pub fn start(what: &'static str, work: impl FnOnce() -> Result<T> + Send + 'static) -> Self {
        let handle = thread::spawn(work);
        Self { what, handle }
    }

    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    /// Its result, if it ends within the time limit.
    pub fn ends(self) -> Result<T> {
        let Self { what, handle } = self;
        wait::until(what, || Ok(handle.is_finished()))?;
        handle
            .join()
            .map_err(|_| anyhow!("{what} panicked"))?
            .context(what)
    }
}

/// The result of bpf_sys_bpf(BPF_MAP_UPDATE_ELEM) in a syscall program, as a thread.
pub fn update_by_syscall_program(map: &RawMap) -> Result<Thread<i32>> {
    let object = Loader::new().load(objects::BY_SYSCALL_PROGRAM)?;
    let program = object.load_syscall_program("update")?;
    let fd = map.fd().try_clone_to_owned()?;
    Ok(Thread::start("an update by a syscall program", move || {
        let number = fd.as_raw_fd();
        let answer = run_syscall_program(program.as_fd(), &mut number.to_ne_bytes())?;
        drop(object);
        Ok(answer as i32)
    }))
}

/// Deletes a few prefixes, each of which may or may not be there.
pub fn delete_some(scene: &Arc<Scene>) -> Thread<()> {
    let scene = scene.clone();
    Thread::start("deletions by bpf(2)", move || {
        for number in 0..64 {
            match scene.map.delete(&key(number)) {
                Ok(()) => {}
                Err(error) if matches!(error.raw_os_error(), Some(ENOENT | ETIMEDOUT)) => {}
                Err(error) => bail!("a deletion while the program is parked: {error}"),
            }
        }
        Ok(())
    })
}
