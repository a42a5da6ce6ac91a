// SPDX-License-Identifier: MIT OR Apache-2.0
//! BPF tokens: what a BPF file system delegates to the user namespace that
//! mounted it.

use std::{
    io,
    os::fd::{BorrowedFd, OwnedFd},
};

use aya_obj::generated::bpf_cmd;

use super::{attr, bpf_fd, raw};

/// BPF_TOKEN_CREATE, from the root directory of a BPF file system.
pub fn create(bpffs: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut attr = attr();
    attr.token_create.bpffs_fd = raw(bpffs);
    // SAFETY: this command takes no addresses, and returns a new descriptor.
    unsafe { bpf_fd(bpf_cmd::BPF_TOKEN_CREATE, &mut attr) }
}
