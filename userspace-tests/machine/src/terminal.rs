// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command's terminal, /dev/hvc0: the virtio console, which the host connects to
//! QEMU's standard input and output.

use std::{
    fs::{File, OpenOptions},
    io, mem,
    os::{fd::AsRawFd, unix::fs::OpenOptionsExt},
};

const PATH: &str = "/dev/hvc0";

/// Opens the terminal without making it a controlling terminal.
pub fn open() -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOCTTY)
        .open(PATH)
}

/// Sets raw mode, which passes bytes unchanged in both directions: no echo, no signals,
/// no carriage returns. For commands whose output the host pipes or compares.
pub fn make_raw(tty: &File) -> io::Result<()> {
    let mut settings = settings(tty)?;
    // SAFETY: `settings` is a termios of this terminal.
    unsafe { libc::cfmakeraw(&mut settings) };
    // SAFETY: tcsetattr reads one termios.
    check(unsafe { libc::tcsetattr(tty.as_raw_fd(), libc::TCSANOW, &settings) })
}

/// Starts a new session with `tty` as its controlling terminal, so that a shell has
/// job control. Called in the child, between fork and exec.
pub fn take_control(tty: libc::c_int) -> io::Result<()> {
    // SAFETY: setsid takes no pointers.
    check(unsafe { libc::setsid() }.min(0))?;
    // SAFETY: TIOCSCTTY takes a number.
    check(unsafe { libc::ioctl(tty, libc::TIOCSCTTY as _, 0) })
}

/// Waits until everything written has been sent to the host.
pub fn drain(tty: &File) -> io::Result<()> {
    // SAFETY: tcdrain takes no pointers.
    check(unsafe { libc::tcdrain(tty.as_raw_fd()) })
}

fn settings(tty: &File) -> io::Result<libc::termios> {
    // SAFETY: termios is a C struct of integers; all zeros is a value.
    let mut settings: libc::termios = unsafe { mem::zeroed() };
    // SAFETY: tcgetattr writes one termios.
    check(unsafe { libc::tcgetattr(tty.as_raw_fd(), &mut settings) })?;
    Ok(settings)
}

fn check(ret: libc::c_int) -> io::Result<()> {
    if ret < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
