// SPDX-License-Identifier: MIT OR Apache-2.0
//! The memory that maps take from the system, which is more than what they report: whole slabs,
//! with the objects that wait for a grace period and the gaps between the others.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

const MEMINFO: &str = "/proc/meminfo";
/// A read makes all CPUs add what they have counted to /proc/meminfo.
const REFRESH: &str = "/proc/sys/vm/stat_refresh";
const SLABS: &str = "/sys/kernel/slab";

const PAUSE: Duration = Duration::from_millis(5);
/// Far longer than a grace period; freed memory comes back grace period by grace period.
const QUIET: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(120);
/// What other parts of the kernel allocate and free meanwhile.
pub const NOISE: u64 = 256 << 10;

/// The memory after no more has come back for a while.
pub struct Settled {
    /// Bytes.
    pub used: u64,
    /// The time until 98 % of what came back was back.
    pub back: Duration,
}

/// Waits until no more memory comes back.
pub fn settle() -> Result<Settled> {
    settle_below(u64::MAX)
}

/// Waits until so much has come back that at most `limit` is used, and then until no more does.
pub fn settle_below(limit: u64) -> Result<Settled> {
    let begin = Instant::now();
    let mut history = vec![];
    // The last time at which it was clearly less than ever before.
    let (mut lowest, mut fell) = (u64::MAX, Duration::ZERO);
    loop {
        let (used, time) = (kernel_memory()?, begin.elapsed());
        history.push((time, used));
        if used.saturating_add(NOISE) <= lowest {
            (lowest, fell) = (used, time);
        }
        if used <= limit && time > fell + QUIET || time > PATIENCE {
            let back = when_back(&history);
            return Ok(Settled { used, back });
        }
        thread::sleep(PAUSE);
    }
}

/// The first time from which on the memory stayed within 2 % of the whole fall.
fn when_back(history: &[(Duration, u64)]) -> Duration {
    let (Some(first), Some(last)) = (history.first(), history.last()) else {
        return Duration::ZERO;
    };
    let rest = first.1.saturating_sub(last.1) / 50;
    let above = |(_, used): &(Duration, u64)| *used > last.1 + rest;
    let at = history.iter().rposition(above).map_or(0, |index| index + 1);
    history[at].0
}

/// Returns empty slabs, which would serve the next map without a trace in the memory used.
pub fn shrink_slabs() -> Result<()> {
    for cache in fs::read_dir(SLABS).with_context(|| format!("list {SLABS}"))? {
        let path = cache?.path().join("shrink");
        fs::write(&path, "1").with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

/// Bytes in slabs, vmalloc areas and per-CPU memory.
fn kernel_memory() -> Result<u64> {
    fs::read(REFRESH).with_context(|| format!("read {REFRESH}"))?;
    let text = fs::read_to_string(MEMINFO).with_context(|| format!("read {MEMINFO}"))?;
    let figure = |name| figure(&text, name).with_context(|| format!("{name} in {MEMINFO}"));
    Ok(figure("Slab")? + figure("VmallocUsed")? + figure("Percpu")?)
}

/// A line of /proc/meminfo, in bytes.
fn figure(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_whole_names_in_bytes() {
        let text = "SlabX:   1 kB\nSlab:             123 kB\nPercpu:  4 kB\n";
        assert_eq!(figure(text, "Slab"), Some(123 << 10));
        assert_eq!(figure(text, "Percpu"), Some(4096));
        assert_eq!(figure(text, "Sla"), None);
    }

    #[test]
    fn memory_is_back_when_all_but_a_fiftieth_is() {
        let history = [(0, 1000), (1, 500), (2, 19), (3, 21), (4, 20), (5, 0)];
        let history = history.map(|(second, used)| (Duration::from_secs(second), used));
        let back = when_back(&history);
        assert_eq!(back.as_secs(), 4, "from then on 20 of 1000, or less");
        assert_eq!(when_back(&history[..1]), Duration::ZERO);
    }
}
