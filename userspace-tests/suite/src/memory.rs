// SPDX-License-Identifier: MIT OR Apache-2.0
//! How much memory the kernel uses for itself, by its own account, and what of
//! it nothing points to.

use std::{fs, path::Path, thread, time::Duration};

use anyhow::{Context, Result, ensure};

/// Slab, vmalloc areas (modules stand there) and per-CPU memory, in bytes.
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

    /// How much the figure that grew most has grown.
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

/// Of the slabs, what is not caches that shrink by themselves.
pub fn unreclaimable_slab() -> Result<u64> {
    figure("SUnreclaim")
}

/// Memory that can be had without swapping, as the kernel estimates it.
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

/// kmemleak takes nothing for lost; `false` on a kernel without it.
pub fn kmemleak_finds_nothing() -> Result<bool> {
    const KMEMLEAK: &str = "/sys/kernel/debug/kmemleak";
    /// kmemleak takes younger objects for ones in the making.
    const MIN_AGE: Duration = Duration::from_secs(6);
    if !Path::new(KMEMLEAK).exists() {
        return Ok(false);
    }
    // The first scan notes the objects' checksums, the second reports those that kept them.
    fs::write(KMEMLEAK, "scan").context(KMEMLEAK)?;
    thread::sleep(MIN_AGE);
    fs::write(KMEMLEAK, "scan").context(KMEMLEAK)?;
    let report = fs::read_to_string(KMEMLEAK).context(KMEMLEAK)?;
    ensure!(report.is_empty(), "kmemleak reports\n{report}");
    Ok(true)
}
