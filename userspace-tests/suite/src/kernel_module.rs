// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel module as the kernel shows it: loaded or not, its references,
//! and its removal.

use std::{fs, io};

use anyhow::{Context, Result};

use crate::wait;

const DIR: &str = "/sys/module/lpm_mtrie";

/// Whether it is loaded and live.
pub fn is_loaded() -> bool {
    fs::read_to_string(format!("{DIR}/initstate")).is_ok_and(|state| state.trim() == "live")
}

/// How many references hold it.
pub fn references() -> Result<u32> {
    let path = format!("{DIR}/refcnt");
    let text =
        fs::read_to_string(&path).with_context(|| format!("{path}: is the module loaded?"))?;
    text.trim().parse().with_context(|| path)
}

/// Waits for the references to come to `count`: maps are freed by a worker.
pub fn wait_for(count: u32) -> Result<()> {
    let mut last = None;
    wait::until("the module's references", || {
        last = Some(references()?);
        Ok(last == Some(count))
    })
    .with_context(|| format!("{last:?} references, expected {count}"))
}

/// delete_module(2), as rmmod does: refused while anything uses it.
pub fn remove() -> io::Result<()> {
    let name = c"lpm_mtrie";
    // SAFETY: the kernel reads the NUL-terminated name.
    if unsafe { libc::syscall(libc::SYS_delete_module, name.as_ptr(), libc::O_NONBLOCK) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
