// SPDX-License-Identifier: MIT OR Apache-2.0
//! A call made by a child that has given its capabilities away.

use std::io;

use anyhow::{Context, Result, bail};

/// `struct __user_cap_header_struct` and `__user_cap_data_struct` of uapi capability.h.
#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}
const VERSION_3: u32 = 0x2008_0522;

/// What the call gave in the child: its errno, or 0 for success.
pub fn errno_of<T>(call: impl FnOnce() -> io::Result<T>) -> Result<i32> {
    // SAFETY: this process has one thread, so the child may do whatever the parent may.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()).context("fork"),
        0 => {
            let result = drop_capabilities().and_then(|()| call().map(drop));
            let code = result.map_or_else(|error| error.raw_os_error().unwrap_or(255), |()| 0);
            // SAFETY: _exit takes a number, and runs nothing of the parent's.
            unsafe { libc::_exit(code) }
        }
        child => {
            let mut status = 0;
            // SAFETY: waitpid writes one int.
            if unsafe { libc::waitpid(child, &mut status, 0) } != child {
                return Err(io::Error::last_os_error()).context("wait for the child");
            }
            if !libc::WIFEXITED(status) {
                bail!("the child did not exit: wait status {status:#x}");
            }
            Ok(libc::WEXITSTATUS(status))
        }
    }
}

fn drop_capabilities() -> io::Result<()> {
    let header = Header {
        version: VERSION_3,
        pid: 0,
    };
    // Effective, permitted and inheritable, 64 bits in two parts: none.
    let none = [0u32; 6];
    // SAFETY: the kernel reads one header and, for version 3, six words.
    if unsafe { libc::syscall(libc::SYS_capset, &raw const header, &raw const none) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
