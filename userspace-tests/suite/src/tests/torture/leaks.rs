// SPDX-License-Identifier: MIT OR Apache-2.0
//! Checks that the memory of everything that this process created is freed: it is charged to a
//! separate cgroup.

use anyhow::{Context, Result};

use crate::memory_cgroup::{self, MemoryCgroup};

/// Keeps this process in its own cgroup while the guard lives.
pub struct Charged(MemoryCgroup);

/// How much may stay: tables of the process that have grown.
const MAY_STAY: u64 = 64 << 10;

impl Charged {
    pub fn begin() -> Result<Self> {
        let guard = Self(MemoryCgroup::new("suite_torture")?);
        guard.0.enter().context("enter the cgroup")?;
        Ok(guard)
    }

    pub fn slab(&self) -> Result<u64> {
        self.0.slab()
    }

    /// Waits until no more is charged than at the beginning.
    pub fn wait_for(&self, start: u64) -> Result<()> {
        self.0.given_back(start + MAY_STAY)
    }
}

impl Drop for Charged {
    fn drop(&mut self) {
        // A cgroup that stays does no harm, since the machine ends with the tests.
        let _ = memory_cgroup::leave();
    }
}
