// SPDX-License-Identifier: MIT OR Apache-2.0
//! A BPF file system that delegates to a user namespace, and a call made there
//! with a token created from it.
//!
//! Only the namespace itself may mount the file system, and only root in the initial
//! namespace may set what it delegates. So the child opens it, the parent takes the
//! child's descriptor and sets the options, and the child continues, as in
//! tools/testing/selftests/bpf/prog_tests/token.c.

use std::{
    ffi::CString,
    fs,
    io::{self, PipeReader, PipeWriter, Read, Write},
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    ptr,
};

use anyhow::{Context, Result};
use raw_bpf::sys;

use crate::child::Child;

/// From uapi mount.h.
const FSCONFIG_SET_STRING: libc::c_uint = 1;
const FSCONFIG_CMD_CREATE: libc::c_uint = 6;

/// Makes `call` as root of a new user namespace, with a token for these commands
/// and map types; returns its errno, or 0 for success.
pub fn errno_in_namespace<T>(
    commands: &str,
    map_types: &str,
    call: impl FnOnce(BorrowedFd<'_>) -> io::Result<T>,
) -> Result<i32> {
    let (mut from_child, to_parent) = io::pipe().context("pipe")?;
    let (from_parent, mut to_child) = io::pipe().context("pipe")?;
    let ends = (to_parent, from_parent);
    let child = Child::start(|| {
        let (to_parent, from_parent) = &ends;
        with_token(to_parent, from_parent, call)
    })?;
    // Now only the child holds these ends, and its exit closes them.
    drop(ends);

    let delegated = delegate(&child, &mut from_child, commands, map_types);
    // The child waits for a byte that says whether to continue.
    let sent = to_child.write_all(&[u8::from(delegated.is_ok())]);
    let errno = child.errno()?;
    delegated
        .and(sent.context("write to the child"))
        .with_context(|| format!("the child ended with errno {errno}"))?;
    Ok(errno)
}

/// The child's part: opens the file system, waits, mounts it, creates the token.
fn with_token<T>(
    mut to_parent: &PipeWriter,
    mut from_parent: &PipeReader,
    call: impl FnOnce(BorrowedFd<'_>) -> io::Result<T>,
) -> io::Result<T> {
    enter_namespaces()?;
    // SAFETY: the kernel reads the NUL-terminated name and returns a new descriptor.
    let context = unsafe { new_fd(libc::syscall(libc::SYS_fsopen, c"bpf".as_ptr(), 0)) }?;
    to_parent.write_all(&context.as_raw_fd().to_ne_bytes())?;
    let mut go_on = [0];
    from_parent.read_exact(&mut go_on)?;
    if go_on == [0] {
        return Err(io::ErrorKind::Other.into());
    }
    // SAFETY: fsmount takes numbers and returns a new descriptor.
    let mount = unsafe { new_fd(libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), 0, 0)) }?;
    // fsmount returns an O_PATH descriptor, which BPF_TOKEN_CREATE does not accept.
    let root = fs::File::open(format!("/proc/self/fd/{}", mount.as_raw_fd()))?;
    let token = sys::token::create(root.as_fd())?;
    call(token.as_fd())
}

/// Becomes root of a new user namespace and mount namespace.
fn enter_namespaces() -> io::Result<()> {
    // SAFETY: unshare takes flags, and this process has one thread.
    if unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS) } != 0 {
        return Err(io::Error::last_os_error());
    }
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", "0 0 1")?;
    fs::write("/proc/self/gid_map", "0 0 1")
}

/// The parent's part: sets what the child's file system delegates, and creates it.
fn delegate(
    child: &Child,
    from_child: &mut PipeReader,
    commands: &str,
    map_types: &str,
) -> Result<()> {
    let mut number = [0; 4];
    from_child
        .read_exact(&mut number)
        .context("the child did not open a BPF file system")?;
    // SAFETY: pidfd_open takes numbers and returns a new descriptor.
    let pidfd = unsafe { new_fd(libc::syscall(libc::SYS_pidfd_open, child.id(), 0)) }?;
    let number = i32::from_ne_bytes(number);
    // SAFETY: pidfd_getfd takes numbers and returns a new descriptor.
    let context = unsafe {
        new_fd(libc::syscall(
            libc::SYS_pidfd_getfd,
            pidfd.as_raw_fd(),
            number,
            0,
        ))
    }
    .context("duplicate the child's descriptor")?;
    for (option, value) in [("delegate_cmds", commands), ("delegate_maps", map_types)] {
        configure(&context, FSCONFIG_SET_STRING, Some((option, value)))
            .with_context(|| format!("{option}={value}"))?;
    }
    configure(&context, FSCONFIG_CMD_CREATE, None).context("create the file system")
}

fn configure(
    context: &OwnedFd,
    command: libc::c_uint,
    option: Option<(&str, &str)>,
) -> io::Result<()> {
    let strings = option
        .map(|(key, value)| Ok::<_, io::Error>((CString::new(key)?, CString::new(value)?)))
        .transpose()?;
    let (key, value) = match &strings {
        Some((key, value)) => (key.as_ptr(), value.as_ptr()),
        None => (ptr::null(), ptr::null()),
    };
    let fd = context.as_raw_fd();
    // SAFETY: both are NUL-terminated and live until the end of the function, or null.
    if unsafe { libc::syscall(libc::SYS_fsconfig, fd, command, key, value, 0) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// # Safety
///
/// `answer` must come from a system call that returns a new file descriptor.
unsafe fn new_fd(answer: libc::c_long) -> io::Result<OwnedFd> {
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call returned this descriptor, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(answer as i32) })
}
