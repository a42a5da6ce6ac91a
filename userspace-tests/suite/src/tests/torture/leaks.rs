// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether the memory of what this process made comes back: it is charged to a
//! cgroup of the process's own.

use anyhow::{Context, Result};

use crate::memory_cgroup::{self, MemoryCgroup};

/// This process is in its own cgroup as long as the guard lives.
pub struct Charged(MemoryCgroup);

/// What may stay: tables of the process that have grown.
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

    /// Waits until no more than at the beginning is charged.
    pub fn wait_for(&self, start: u64) -> Result<()> {
        self.0.given_back(start + MAY_STAY)
    }
}

impl Drop for Charged {
    fn drop(&mut self) {
        // A cgroup that stays does no harm in a machine that ends with the tests.
        let _ = memory_cgroup::leave();
    }
}
