// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls made by a child that has dropped capabilities.

use std::io;

use anyhow::Result;

use crate::child::Child;

/// `struct __user_cap_header_struct` and `__user_cap_data_struct` of uapi capability.h.
#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}
const VERSION_3: u32 = 0x2008_0522;

/// Bits of capability sets, uapi capability.h.
pub const CAP_SYS_ADMIN: u64 = 1 << 21;
pub const CAP_BPF: u64 = 1 << 39;

/// Makes the call in a child without capabilities; returns its errno, or 0 for success.
pub fn errno_of<T>(call: impl FnOnce() -> io::Result<T>) -> Result<i32> {
    errno_with(0, call)
}

/// The same in a child that has only these capabilities.
pub fn errno_with<T>(capabilities: u64, call: impl FnOnce() -> io::Result<T>) -> Result<i32> {
    in_child(|| {
        keep(capabilities)?;
        call()
    })
}

/// Makes the call in a child; returns its errno, or 0 for success.
pub fn in_child<T>(call: impl FnOnce() -> io::Result<T>) -> Result<i32> {
    Child::start(call)?.errno()
}

/// Drops all capabilities but these.
fn keep(capabilities: u64) -> io::Result<()> {
    let header = Header {
        version: VERSION_3,
        pid: 0,
    };
    // The effective, permitted and inheritable sets, bits 0 to 31, then 32 to 63.
    let [low, high] = [capabilities as u32, (capabilities >> 32) as u32];
    let sets = [low, low, 0, high, high, 0];
    // SAFETY: the kernel reads one header and, for version 3, six words.
    if unsafe { libc::syscall(libc::SYS_capset, &raw const header, &raw const sets) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
