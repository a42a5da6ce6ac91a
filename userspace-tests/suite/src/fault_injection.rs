// SPDX-License-Identifier: MIT OR Apache-2.0
//! Fault injection: the n-th allocation or user copy of one system call fails.
//! Documentation/fault-injection/fault-injection.rst of the kernel.
//!
//! It takes a kernel with CONFIG_FAULT_INJECTION, which is kconfig/debug.config.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::FileExt,
    path::Path,
};

use anyhow::{Context, Result};
use libc::EFAULT;

const FAIL_NTH: &str = "/proc/thread-self/fail-nth";
const RELEASE: &str = "/proc/sys/kernel/osrelease";

/// Whether this kernel has fault injection. The debug kernel has to.
pub fn is_needed_or_there() -> bool {
    let debug = fs::read_to_string(RELEASE).is_ok_and(|name| name.trim().ends_with("-debug"));
    debug || Path::new(FAIL_NTH).exists()
}

/// Says how many faults a call had, next to its test's verdict.
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

/// This task's injection.
pub struct FaultInjection(File);

impl FaultInjection {
    /// Every kind of allocation counts, and a fault leaves no word in the log.
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

    /// Makes the call, of which the `nth` (from 1) possible fault happens; `true`
    /// if the call had so many. `call` makes that one system call and no other.
    pub fn at<T>(&self, nth: u32, call: impl FnOnce() -> T) -> Result<(T, bool)> {
        let text = nth.to_string();
        self.0.write_at(text.as_bytes(), 0).context("arm")?;
        let result = call();

        let mut left = [0; 16];
        let hit = match self.0.read_at(&mut left, 0) {
            Ok(len) => &left[..len] == b"0\n",
            // The fault has met this read.
            Err(error) if error.raw_os_error() == Some(EFAULT) => false,
            Err(error) => return Err(error).context("read what is left"),
        };
        match self.0.write_at(b"0", 0) {
            Err(error) if error.raw_os_error() != Some(EFAULT) => Err(error).context("disarm"),
            _ => Ok((result, hit)),
        }
    }
}
