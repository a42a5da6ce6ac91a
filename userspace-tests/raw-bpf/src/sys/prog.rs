// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bpf(2) commands on programs: the library's, and attachments that need only this call.

use std::{
    ffi::CStr,
    io,
    os::fd::{BorrowedFd, OwnedFd},
};

use aya_obj::generated::bpf_cmd;

pub use lpm_mtrie::sys::prog::*;

use super::{address, attr, bpf_fd, raw};

/// BPF_RAW_TRACEPOINT_OPEN: attached until the descriptor is closed.
pub fn raw_tracepoint_open(prog: BorrowedFd<'_>, name: &CStr) -> io::Result<OwnedFd> {
    let mut attr = attr();
    attr.raw_tracepoint.name = address(name.as_ptr());
    attr.raw_tracepoint.prog_fd = raw(prog);
    // SAFETY: the kernel reads the NUL-terminated `name`.
    unsafe { bpf_fd(bpf_cmd::BPF_RAW_TRACEPOINT_OPEN, &mut attr) }
}

/// BPF_ITER_CREATE: a file whose reading runs an iterator program over all objects.
pub fn iter_create(link: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut attr = attr();
    attr.iter_create.link_fd = raw(link);
    // SAFETY: this command takes no addresses, and returns a new descriptor.
    unsafe { bpf_fd(bpf_cmd::BPF_ITER_CREATE, &mut attr) }
}
