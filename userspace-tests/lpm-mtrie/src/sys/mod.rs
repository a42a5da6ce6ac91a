// SPDX-License-Identifier: MIT OR Apache-2.0
//! bpf(2) itself: one function that makes the call, and below it the commands
//! on maps ([`map`]) and programs ([`prog`]), and [`token`]. Every error is the errno.

pub mod map;
pub mod prog;
pub mod token;

use std::{
    ffi::CString,
    io, mem,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    os::unix::ffi::OsStrExt,
    path::Path,
    ptr,
};

use aya_obj::generated::{bpf_attr, bpf_cmd};

/// An attribute block of zeros, as every command wants its unused fields.
pub(crate) fn attr() -> bpf_attr {
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
    unsafe { bpf_with(cmd as u32, attr, None) }
}

/// `struct bpf_common_attr`: a log for commands whose own attributes have none.
#[repr(C)]
#[derive(Debug, Default)]
struct CommonAttr {
    log_buf: u64,
    log_size: u32,
    log_level: u32,
    /// Written by the kernel.
    log_true_size: u32,
    end: u32,
}

/// With this in the command, bpf(2) takes common attributes too.
const COMMON_ATTRS: u32 = 1 << 16;

/// As [`bpf`], with attributes of any layout, and common ones.
///
/// # Safety
///
/// As for [`bpf`], and the same for the address in `common`.
unsafe fn bpf_with<A>(cmd: u32, attr: &mut A, common: Option<&mut CommonAttr>) -> io::Result<i64> {
    let (common, common_size) = match common {
        Some(common) => (ptr::from_mut(common), mem::size_of::<CommonAttr>()),
        None => (ptr::null_mut(), 0),
    };
    let size = mem::size_of::<A>();
    // SAFETY: both structures are valid for their sizes, or null and of no size,
    // and the caller vouches for the addresses inside.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            cmd,
            ptr::from_mut(attr),
            size,
            common,
            common_size,
        )
    };
    if ret < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(ret)
    }
}

/// As [`bpf`], for commands that answer with a new file descriptor.
///
/// # Safety
///
/// As for [`bpf`], and `cmd` must be such a command.
unsafe fn bpf_fd(cmd: bpf_cmd, attr: &mut bpf_attr) -> io::Result<OwnedFd> {
    // SAFETY: passed on to the caller.
    unsafe { new_fd(bpf(cmd, attr)) }
}

/// # Safety
///
/// `answer` must be that of a command that answers with a new file descriptor.
unsafe fn new_fd(answer: io::Result<i64>) -> io::Result<OwnedFd> {
    // SAFETY: the command made this descriptor for us; nobody else has it.
    answer.map(|fd| unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

pub(crate) fn raw(fd: BorrowedFd<'_>) -> u32 {
    // An open descriptor is never negative.
    fd.as_raw_fd() as u32
}

pub(crate) fn address<T: ?Sized>(pointer: *const T) -> u64 {
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
