// SPDX-License-Identifier: MIT OR Apache-2.0
//! Shutdown: stops all processes, writes everything back, and powers off.

use std::{io, process, ptr};

use crate::{kmsg, mounts};

/// Kills and reaps all processes that the command left, and unmounts the shared
/// directory.
pub fn end_everything(share: Option<&str>) {
    // SAFETY: kill takes no pointers; -1 means every process but PID 1, which is this one.
    unsafe { libc::kill(-1, libc::SIGKILL) };
    // SAFETY: waitpid accepts a null pointer for the status.
    while unsafe { libc::waitpid(-1, ptr::null_mut(), 0) } > 0 {}
    if let Some(path) = share
        && let Err(error) = mounts::unmount(path)
    {
        kmsg::error(&format!("{error:#}; its last writes may be missing"));
    }
    // SAFETY: sync takes nothing.
    unsafe { libc::sync() };
}

/// Powers the machine off by a reboot: QEMU runs with -no-reboot, and the kernel
/// has no ACPI.
pub fn power_off() -> ! {
    // SAFETY: sync takes nothing.
    unsafe { libc::sync() };
    // SAFETY: reboot takes a number.
    unsafe { libc::reboot(libc::RB_AUTOBOOT) };
    // If PID 1 exits, the kernel panics, which also ends the machine.
    kmsg::error(&format!("reboot: {}", io::Error::last_os_error()));
    process::exit(1);
}
