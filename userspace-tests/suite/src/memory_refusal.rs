// SPDX-License-Identifier: MIT OR Apache-2.0
//! Makes this thread's non-sleeping allocations for maps fail. The kernel's fault
//! injection does not cover them, so rust-kmod/tests/refuse_memory.c does.

use std::fs;

use anyhow::{Context, Result};

use crate::kernel_module;

const NTH: &str = "/sys/module/refuse_memory/parameters/nth";

/// Fails requests on demand until it is dropped.
pub struct Refusal(());

impl Refusal {
    pub fn new() -> Result<Self> {
        // SAFETY: gettid takes no arguments.
        let thread = unsafe { libc::gettid() };
        kernel_module::insert_test_module("refuse_memory", &format!("thread={thread}"))?;
        Ok(Self(()))
    }

    /// Refuses the `nth` request (from 1) of a call; `true` if the call had that many.
    pub fn at<T>(&self, nth: i32, call: impl FnOnce() -> T) -> Result<(T, bool)> {
        self.set(nth)?;
        let result = call();
        let left = fs::read_to_string(NTH).context(NTH)?;
        self.set(0)?;
        Ok((result, left == "0\n"))
    }

    /// Refuses all requests of these calls.
    pub fn always(&self, calls: impl FnOnce() -> Result<()>) -> Result<()> {
        self.set(-1)?;
        let result = calls();
        self.set(0)?;
        result
    }

    fn set(&self, nth: i32) -> Result<()> {
        fs::write(NTH, nth.to_string()).context(NTH)
    }
}

impl Drop for Refusal {
    fn drop(&mut self) {
        kernel_module::remove_by_name(c"refuse_memory").expect("the module is not in use");
    }
}
