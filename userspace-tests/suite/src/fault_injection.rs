// SPDX-License-Identifier: MIT OR Apache-2.0
//! Fault injection: makes the n-th allocation or user copy of a system call fail. See
//! the kernel's Documentation/fault-injection/fault-injection.rst.
//!
//! Requires CONFIG_FAULT_INJECTION, which kconfig/debug.config sets.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::FileExt,
    path::Path,
};

use anyhow::{Context, Result};
use libc::EFAULT;

const FAIL_NTH: &str = "/proc/thread-self/fail-nth";
const RELEASE: &str = "/proc/sys/kernel/osrelease";

/// Whether this kernel has fault injection, or must have it because it is the debug kernel.
pub fn is_needed_or_there() -> bool {
    let debug = fs::read_to_string(RELEASE).is_ok_and(|name| name.trim().ends_with("-debug"));
    debug || Path::new(FAIL_NTH).exists()
}

/// Prints the number of faults of a call before its test's verdict.
pub fn report(faults: u32) {
    assert!(faults > 0, "every call copies its attributes");
    print!("{faults} faults ... ");
}

fn set(settings: &[(&str, &str)]) -> Result<()> {
    for (file, setting) in settings {
        let path = format!("/sys/kernel/debug/{file}");
        fs::write(&path, setting).with_context(|| format!("{setting} to {path}"))?;
    }
    Ok(())
}

/// Fault injection for this thread.
pub struct FaultInjection(File);

impl FaultInjection {
    /// Enables faults for every kind of allocation, without messages in the kernel log.
    pub fn new() -> Result<Self> {
        set(&[
            ("failslab/verbose", "0"),
            ("failslab/ignore-gfp-wait", "N"),
            ("fail_page_alloc/verbose", "0"),
            ("fail_page_alloc/ignore-gfp-wait", "N"),
            ("fail_page_alloc/ignore-gfp-highmem", "N"),
            ("fail_page_alloc/min-order", "0"),
            ("fail_usercopy/verbose", "0"),
        ])?;
        let file = OpenOptions::new().read(true).write(true).open(FAIL_NTH);
        Ok(Self(file.context(FAIL_NTH)?))
    }

    /// Makes the call with its `nth` (from 1) possible fault injected; `true` if
    /// the call had that many. `call` must make a single system call.
    pub fn at<T>(&self, nth: u32, call: impl FnOnce() -> T) -> Result<(T, bool)> {
        let text = nth.to_string();
        self.0.write_at(text.as_bytes(), 0).context("arm")?;
        let result = call();

        let mut left = [0; 16];
        let hit = match self.0.read_at(&mut left, 0) {
            Ok(len) => &left[..len] == b"0\n",
            // The fault was injected into this read.
            Err(error) if error.raw_os_error() == Some(EFAULT) => false,
            Err(error) => return Err(error).context("read what is left"),
        };
        match self.0.write_at(b"0", 0) {
            Err(error) if error.raw_os_error() != Some(EFAULT) => Err(error).context("disarm"),
            _ => Ok((result, hit)),
        }
    }
}
