// SPDX-License-Identifier: MIT OR Apache-2.0
//! bpf(2) itself: one function that makes the call, and the commands on maps ([`map`]), their
//! elements ([`elements`]) and programs ([`prog`]). Every error is the errno.
//!
//! Not part of the library's interface: it may change with any version. This project's tests build
//! on it (`userspace-tests/raw-bpf`).

pub mod elements;
pub mod map;
pub mod prog;

use std::{
    ffi::CString,
    io, mem,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    os::unix::ffi::OsStrExt,
    path::Path,
    ptr,
};

use aya_obj::generated::{bpf_attr, bpf_cmd};

/// An attribute block of zeros, as every command requires of its unused fields.
pub fn attr() -> bpf_attr {
    // SAFETY: `bpf_attr` is a C union of integers and arrays of integers; all zeros is a value of each.
    unsafe { mem::zeroed() }
}

/// Calls bpf(2) and returns what the kernel returned.
///
/// # Safety
///
/// Every address in `attr` must be valid for what `cmd` reads or writes there.
pub unsafe fn bpf(cmd: bpf_cmd, attr: &mut bpf_attr) -> io::Result<i64> {
    // SAFETY: passed on to the caller.
    unsafe { bpf_with(cmd, attr) }
}

/// Like [`bpf`], with attributes of any layout.
///
/// # Safety
///
/// As for [`bpf`].
pub unsafe fn bpf_with<A>(cmd: bpf_cmd, attr: &mut A) -> io::Result<i64> {
    let size = mem::size_of::<A>();
    // SAFETY: the structure is valid for its size, and the caller vouches for the addresses inside.
    let ret = unsafe { libc::syscall(libc::SYS_bpf, cmd as u32, ptr::from_mut(attr), size) };
    if ret < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(ret)
    }
}

/// Like [`bpf`], for commands that return a new file descriptor.
///
/// # Safety
///
/// As for [`bpf`], and `cmd` must be such a command.
pub unsafe fn bpf_fd(cmd: bpf_cmd, attr: &mut bpf_attr) -> io::Result<OwnedFd> {
    // SAFETY: passed on to the caller.
    unsafe { new_fd(bpf(cmd, attr)) }
}

/// The new descriptor that a command returned.
///
/// # Safety
///
/// `answer` must come from a command that returns a new file descriptor.
pub unsafe fn new_fd(answer: io::Result<i64>) -> io::Result<OwnedFd> {
    // SAFETY: the command created this descriptor; nobody else has it.
    answer.map(|fd| unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// The descriptor's number, as attributes hold it.
pub fn raw(fd: BorrowedFd<'_>) -> u32 {
    // An open descriptor is never negative.
    fd.as_raw_fd() as u32
}

/// An address as attributes hold it.
pub fn address<T: ?Sized>(pointer: *const T) -> u64 {
    pointer.cast::<u8>() as u64
}

/// Pins a map, program or link to a path in a BPF file system.
pub fn obj_pin(fd: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut attr = attr();
    attr.__bindgen_anon_4.pathname = address(path.as_ptr());
    attr.__bindgen_anon_4.bpf_fd = raw(fd);
    // SAFETY: the kernel reads the NUL-terminated `path`, which lives until the end of the function.
    unsafe { bpf(bpf_cmd::BPF_OBJ_PIN, &mut attr) }.map(drop)
}

/// Opens what was pinned at `path`; `file_flags` as BPF_F_RDONLY or BPF_F_WRONLY, or 0.
pub fn obj_get(path: &Path, file_flags: u32) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut attr = attr();
    attr.__bindgen_anon_4.pathname = address(path.as_ptr());
    attr.__bindgen_anon_4.file_flags = file_flags;
    // SAFETY: the kernel reads the NUL-terminated `path`, which lives until the end of the function.
    unsafe { bpf_fd(bpf_cmd::BPF_OBJ_GET, &mut attr) }
}
