// SPDX-License-Identifier: MIT OR Apache-2.0
//! Programs that run on the maps: in a loop of test runs, and attached to events on all CPUs,
//! repeatedly attached and detached.

use std::{
    fs, io,
    os::fd::{AsFd, OwnedFd},
    sync::atomic::{AtomicBool, Ordering},
};

use anyhow::{Context, Result};
use aya_obj::generated::bpf_attach_type::BPF_PERF_EVENT;
use lpm_mtrie::Program;
use raw_bpf::sys::prog::{Target, TestRun, link_create, raw_tracepoint_open, test_run};

use super::{
    subjects::{Count, Subjects},
    syscalls::call_getpid,
};
use crate::{arch::GETPID, perf, wait};

/// Runs of a program between two syscalls.
const REPEAT: u32 = 8;
/// The period of the clock whose interrupt runs a program on each CPU.
const PERIOD_NS: u64 = 2_000_000;

/// Test runs until `stop`.
pub fn run(subjects: &Subjects, stop: &AtomicBool) -> Result<()> {
    let program = subjects.load()?.load_program("in_classifier")?;
    while !stop.load(Ordering::Relaxed) {
        repeat(&program)?;
    }
    Ok(())
}

pub fn repeat(program: &Program) -> Result<()> {
    let run = TestRun {
        data: &[0; 64],
        ctx: &[],
        repeat: REPEAT,
    };
    test_run(program.as_fd(), &run).context("BPF_PROG_TEST_RUN")?;
    Ok(())
}

const ATTACHED: [Count; 4] = [
    Count::InRawTracepoint,
    Count::InPerfEvent,
    Count::InKprobe,
    Count::InWriter,
];

/// Loads the programs, attaches them, waits until each has run, and detaches them. Another thread
/// must execute [`run`] meanwhile, for the probed writer.
pub fn attach_once(subjects: &Subjects, cpus: usize) -> Result<()> {
    let counts = |subjects: &Subjects| -> Result<Vec<u64>> {
        ATTACHED
            .map(|count| subjects.count(count, 0))
            .into_iter()
            .collect()
    };
    let before = counts(subjects)?;
    let attachments = Attachments::load(subjects, cpus)?;
    let links = attachments.attach()?;
    let ran = wait::until("each attached program to run", || {
        call_getpid();
        let now = counts(subjects)?;
        Ok(now.iter().zip(&before).all(|(now, before)| now > before))
    });
    drop(links);
    drop(attachments);
    ran.with_context(|| {
        let now = counts(subjects);
        format!("runs of {ATTACHED:?} were {before:?}, are {now:?}")
    })
}

/// Programs and the events that they are attached to.
struct Attachments {
    sys_enter: Program,
    events: Vec<(OwnedFd, Program)>,
}

impl Attachments {
    fn load(subjects: &Subjects, cpus: usize) -> Result<Self> {
        let object = subjects.load()?;
        let load = |name| object.load_program(name);
        let mut events = vec![
            // By a breakpoint, whose handler counts as an NMI on x86-64: allocations and the lock behave as there.
            (perf::kprobe_inside(GETPID)?, load("in_kprobe")?),
            // Called by every insertion, with the map's lock held.
            (perf::kprobe(c"bpf_map_kmalloc_nolock")?, load("in_writer")?),
        ];
        for cpu in 0..cpus {
            events.push((perf::cpu_clock_on(cpu, PERIOD_NS)?, load("in_perf_event")?));
        }
        Ok(Self {
            sys_enter: load("in_raw_tracepoint")?,
            events,
        })
    }

    fn attach(&self) -> Result<Vec<OwnedFd>> {
        let mut links = vec![
            raw_tracepoint_open(self.sys_enter.as_fd(), c"sys_enter")
                .context("attach to sys_enter")?,
        ];
        for (event, program) in &self.events {
            let target = Target::Fd(event.as_fd());
            links.push(link_create(program.as_fd(), target, BPF_PERF_EVENT).context("attach")?);
        }
        Ok(links)
    }
}

/// A probe that is not at a function's start is a breakpoint, until the kernel optimizes it into a
/// jump. This disables that.
pub fn keep_breakpoints() -> Result<()> {
    match fs::write("/proc/sys/debug/kprobes-optimization", "0") {
        // A kernel without the setting does not optimize.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result.context("/proc/sys/debug/kprobes-optimization"),
    }
}
