// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bpf(2) commands that create, find and describe maps: the library's, and creation with a log.

use std::{io, mem, os::fd::OwnedFd, ptr};

use aya_obj::generated::bpf_cmd;

pub use lpm_mtrie::sys::map::*;

use super::{address, new_fd};

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

/// BPF_MAP_CREATE with BPF_COMMON_ATTRS (Linux 7.1 and later): the kernel writes the reason for a
/// refusal to `log`, ended by a NUL; also returns its full length.
pub fn create_logged(map: &MapAttr, level: u32, log: &mut [u8]) -> (io::Result<OwnedFd>, u32) {
    let mut common = CommonAttr {
        log_buf: if log.is_empty() {
            0
        } else {
            address(log.as_mut_ptr())
        },
        log_size: log.len() as u32,
        log_level: level,
        ..CommonAttr::default()
    };
    let mut attr = *map;
    let command = bpf_cmd::BPF_MAP_CREATE as u32 | COMMON_ATTRS;
    // SAFETY: both structures are valid for their sizes. The kernel reads at `excl_prog_hash`,
    // which it checks first, and writes at most `log_size` bytes to `log`. It returns a new
    // descriptor.
    let fd = unsafe {
        let answer = libc::syscall(
            libc::SYS_bpf,
            command,
            ptr::from_mut(&mut attr),
            mem::size_of::<MapAttr>(),
            ptr::from_mut(&mut common),
            mem::size_of::<CommonAttr>(),
        );
        new_fd(if answer < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(answer)
        })
    };
    (fd, common.log_true_size)
}
