// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel's own memory usage as it reports it, and leaks that kmemleak finds.

use std::fs;

use anyhow::{Context, Result};

/// Slab, vmalloc (which includes modules) and per-CPU memory, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct KernelMemory {
    pub slab: u64,
    pub vmalloc: u64,
    pub percpu: u64,
}

impl KernelMemory {
    pub fn now() -> Result<Self> {
        Ok(Self {
            slab: figure("Slab")?,
            vmalloc: figure("VmallocUsed")?,
            percpu: figure("Percpu")?,
        })
    }

    /// The growth of the figure that grew most.
    pub fn growth_since(&self, before: &Self) -> u64 {
        [
            (self.slab, before.slab),
            (self.vmalloc, before.vmalloc),
            (self.percpu, before.percpu),
        ]
        .map(|(now, before)| now.saturating_sub(before))
        .into_iter()
        .fold(0, u64::max)
    }
}

/// Unreclaimable slab memory, in bytes.
pub fn unreclaimable_slab() -> Result<u64> {
    figure("SUnreclaim")
}

/// The kernel's estimate of memory available without swapping, in bytes.
pub fn available() -> Result<u64> {
    figure("MemAvailable")
}

/// A line of /proc/meminfo, in bytes.
fn figure(name: &str) -> Result<u64> {
    let text = fs::read_to_string("/proc/meminfo").context("/proc/meminfo")?;
    text.lines()
        .find_map(|line| {
            let line = line.strip_prefix(name)?.strip_prefix(':')?;
            line.trim().strip_suffix("kB")
        })
        .with_context(|| format!("/proc/meminfo has no {name}"))?
        .trim()
        .parse::<u64>()
        .map(|kilobytes| kilobytes << 10)
        .with_context(|| format!("{name} in /proc/meminfo"))
}
