// SPDX-License-Identifier: MIT OR Apache-2.0
//! For whom the kernel loads the module: for CAP_BPF in the initial user namespace, and never from
//! within a program.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
};

use anyhow::{Context, Result};
use libc::{EBADMSG, EINVAL, EPERM};
use lpm_mtrie::{Loader, Program};
use raw_bpf::{
    RawMap,
    sys::{map::create_logged, prog::run_syscall_program},
};

use super::module::{loaded_and_idle, removed};
use crate::{
    check, delegation,
    harness::{Test, Type},
    kernel_module as module,
    maps::{self, F_TOKEN_FD, IPV4},
    objects,
    unprivileged::{self, CAP_BPF},
};

pub const TESTS: &[Test] = &[
    Test::mtrie("module_loads_for_cap_bpf", for_cap_bpf),
    Test::mtrie("module_does_not_load_for_a_token", not_for_a_token),
    Test::mtrie(
        "module_does_not_load_for_a_syscall_program",
        not_for_a_syscall_program,
    ),
];

fn for_cap_bpf(on: Type) -> Result<()> {
    removed(on)?;
    let attr = maps::attr(on, IPV4);
    let errno = unprivileged::errno_with(CAP_BPF, || maps::create_fd(&attr))?;
    check::equal(errno, 0, "creation with only CAP_BPF")?;
    check::holds(module::is_loaded(), "it loads the module")?;
    loaded_and_idle(on)
}

fn not_for_a_token(on: Type) -> Result<()> {
    let with_token = |reason: &'static str| {
        delegation::errno_in_namespace("any", "any", |token| {
            let mut attr = maps::attr(on, IPV4);
            attr.map_flags |= F_TOKEN_FD;
            attr.map_token_fd = token.as_raw_fd();
            let mut log = [0; 256];
            let (created, _) = create_logged(&attr, 1, &mut log);
            // The child has no other way to report that the log lacks the reason.
            if created.is_err() && !String::from_utf8_lossy(&log).contains(reason) {
                return Err(io::Error::from_raw_os_error(EBADMSG));
            }
            created
        })
    };
    removed(on)?;
    let errno = with_token("CAP_BPF in the initial user namespace")?;
    check::holds(
        !module::is_loaded(),
        &format!("the module is not loaded, errno {errno}"),
    )?;
    check::equal(
        errno,
        EPERM,
        "creation without the module, its log with the reason",
    )?;

    loaded_and_idle(on)?;
    check::equal(with_token("")?, 0, "creation of a type that is loaded")?;
    module::wait_for(0)
}

fn not_for_a_syscall_program(on: Type) -> Result<()> {
    let object = Loader::new().load(objects::BY_SYSCALL_PROGRAM)?;
    let program = object.load_syscall_program("create")?;
    removed(on)?;
    let refused = create_by(&program, on)?;
    check::holds(
        !module::is_loaded(),
        &format!("the module is not loaded, the program got {refused:?}"),
    )?;
    check::errno(refused, EINVAL, "creation by a program without the module")?;

    loaded_and_idle(on)?;
    let created = check::ok(
        create_by(&program, on)?,
        "creation by a program with the module",
    )?;
    let map = RawMap::new(created.as_fd())?;
    check::equal(map.value_size(), 8, "the new map's value size")?;
    drop(created);
    module::wait_for(0)
}

/// The result of BPF_MAP_CREATE in the program of bpf/by_syscall_program.bpf.c.
fn create_by(program: &Program, on: Type) -> Result<io::Result<OwnedFd>> {
    let mut creation = on.map_type().number().to_ne_bytes();
    let answer = run_syscall_program(program.as_fd(), &mut creation).context("run the program")?;
    let answer = answer as i32;
    Ok(if answer < 0 {
        Err(io::Error::from_raw_os_error(-answer))
    } else {
        // SAFETY: the program created a map with a new descriptor, which nobody else has.
        Ok(unsafe { OwnedFd::from_raw_fd(answer) })
    })
}
