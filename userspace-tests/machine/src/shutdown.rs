// SPDX-License-Identifier: MIT OR Apache-2.0
//! The machine's end: nothing left running, everything written, power off.

use std::{io, process, ptr};

use crate::{kmsg, mounts};

/// Kills and reaps whatever the command left behind, and hands the shared
/// directory back to the host.
pub fn end_everything(share: Option<&str>) {
    // SAFETY: kill takes no addresses; -1 is every process but this one, which is PID 1.
    unsafe { libc::kill(-1, libc::SIGKILL) };
    // SAFETY: waitpid may be given no place for the status.
    while unsafe { libc::waitpid(-1, ptr::null_mut(), 0) } > 0 {}
    if let Some(path) = share
        && let Err(error) = mounts::unmount(path)
    {
        kmsg::error(&format!("{error:#}; its last writes may be missing"));
    }
    // SAFETY: sync takes nothing.
    unsafe { libc::sync() };
}

/// Ends the machine. QEMU runs with -no-reboot and the kernel has no ACPI, so
/// a restart is the power switch.
pub fn power_off() -> ! {
    // SAFETY: sync takes nothing.
    unsafe { libc::sync() };
    // SAFETY: reboot takes a number.
    unsafe { libc::reboot(libc::RB_AUTOBOOT) };
    // An exit of PID 1 panics the kernel, which ends the machine as well.
    kmsg::error(&format!("reboot: {}", io::Error::last_os_error()));
    process::exit(1);
}
