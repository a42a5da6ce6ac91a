// SPDX-License-Identifier: MIT OR Apache-2.0
//! The same lookup, update and delete from programs that are loaded for a function, a hook or an
//! iterator of the kernel, from those that may sleep, and from called functions and programs.

use std::{
    fs::File,
    io::Read,
    os::fd::{AsFd, AsRawFd},
};

use anyhow::{Context, Result};
use aya_obj::generated::bpf_attach_type::{
    self, BPF_LSM_MAC, BPF_TRACE_FENTRY, BPF_TRACE_FEXIT, BPF_TRACE_ITER,
};
use lpm_mtrie::{Object, Program};
use raw_bpf::{
    RawMap,
    sys::prog::{Target, TestRun, iter_create, link_create, test_run},
};

use super::programs::{Runs, packet, steps};
use crate::{arch::GETPGID, check, harness::Test, model::ANY};

macro_rules! test {
    ($name:ident, $load:expr, $trigger:expr) => {
        Test::both(concat!("programs_", stringify!($name)), |on| {
            steps(on, $load, $trigger)
        })
    };
}

pub const TESTS: &[Test] = &[
    test!(fentry, at("in_fentry", GETPGID), on_entry),
    test!(fexit, at("in_fexit", GETPGID), on_exit),
    test!(
        sleepable_fentry,
        at("in_sleepable_fentry", GETPGID),
        on_entry
    ),
    test!(lsm, at("in_lsm", "file_open"), on_open),
    test!(sleepable_lsm, at("in_sleepable_lsm", "file_open"), on_open),
    test!(iterator, at("in_iterator", "bpf_map"), on_maps),
    test!(syscall, syscall, by_syscall),
    test!(function_called, of("in_called_function"), packet),
    test!(global_function_called, of("in_global_function"), packet),
    test!(tail_called, tail_called, packet),
];

type Load = Result<Program>;

fn of(program: &str) -> impl FnOnce(&Object) -> Load {
    move |object| Ok(object.load_program(program)?)
}

fn at(program: &str, target: &str) -> impl FnOnce(&Object) -> Load {
    move |object| Ok(object.load_program_for(program, target)?)
}

fn syscall(object: &Object) -> Load {
    Ok(object.load_syscall_program("in_syscall")?)
}

/// The object's array keeps the called program; a test run starts the caller.
fn tail_called(object: &Object) -> Load {
    let callee = object.load_program("in_classifier")?;
    let next = RawMap::new(object.map("next")?.fd())?;
    let fd = callee.as_fd().as_raw_fd();
    next.update(&[0; 4], &fd.to_ne_bytes(), ANY)?;
    Ok(object.load_program("by_tail_call")?)
}

fn on_entry(program: &Program, runs: &Runs<'_>) -> Result<()> {
    attached(program, BPF_TRACE_FENTRY, runs)
}

fn on_exit(program: &Program, runs: &Runs<'_>) -> Result<()> {
    attached(program, BPF_TRACE_FEXIT, runs)
}

fn attached(program: &Program, to: bpf_attach_type, runs: &Runs<'_>) -> Result<()> {
    let _link = link_create(program.as_fd(), Target::AsLoaded, to).context("attach")?;
    // SAFETY: getpgid takes a number.
    unsafe { libc::syscall(libc::SYS_getpgid, 0) };
    check::holds(runs.get()? >= 1, "the call ran the program")
}

fn on_open(program: &Program, runs: &Runs<'_>) -> Result<()> {
    let _link = link_create(program.as_fd(), Target::AsLoaded, BPF_LSM_MAC).context("attach")?;
    File::open("/dev/null")?;
    check::holds(runs.get()? >= 1, "opening a file ran the program")
}

fn on_maps(program: &Program, runs: &Runs<'_>) -> Result<()> {
    let link = link_create(program.as_fd(), Target::AsLoaded, BPF_TRACE_ITER).context("attach")?;
    File::from(iter_create(link.as_fd())?).read_to_end(&mut vec![])?;
    check::holds(runs.get()? >= 1, "reading the iterator ran the program")
}

fn by_syscall(program: &Program, _: &Runs<'_>) -> Result<()> {
    let run = TestRun {
        data: &[],
        ctx: &[],
        repeat: 0,
    };
    test_run(program.as_fd(), &run).context("BPF_PROG_TEST_RUN")?;
    Ok(())
}
