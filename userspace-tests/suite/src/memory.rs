// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel's own memory usage as it reports it, and leaks that kmemleak finds.

use std::{fs, path::Path, thread, time::Duration};

use anyhow::{Context, Result, ensure};

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

/// Checks that kmemleak reports nothing; returns `false` on a kernel without it.
pub fn kmemleak_finds_nothing() -> Result<bool> {
    const KMEMLEAK: &str = "/sys/kernel/debug/kmemleak";
    /// kmemleak ignores objects that are younger.
    const MIN_AGE: Duration = Duration::from_secs(6);
    if !Path::new(KMEMLEAK).exists() {
        return Ok(false);
    }
    // The first scan records the objects' checksums, the second reports unchanged ones.
    fs::write(KMEMLEAK, "scan").context(KMEMLEAK)?;
    thread::sleep(MIN_AGE);
    fs::write(KMEMLEAK, "scan").context(KMEMLEAK)?;
    let report = fs::read_to_string(KMEMLEAK).context(KMEMLEAK)?;
    ensure!(report.is_empty(), "kmemleak reports\n{report}");
    Ok(true)
}
