// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether memory comes back: what the kernel has charged to a cgroup of our
//! own, and what kmemleak finds where the kernel has it.

use std::{fs, io, path::Path, thread, time::Duration};

use anyhow::{Context, Result, ensure};

use crate::wait;

const ROOT: &str = "/sys/fs/cgroup";
const OURS: &str = "/sys/fs/cgroup/suite_torture";

/// Memory of maps is charged to the cgroup of their creator; this process is
/// in one of its own as long as the guard lives.
pub struct Charged(());

/// What may stay: tables of the process that have grown, and bytes that CPUs
/// hold back for the next charge.
const MAY_STAY: u64 = 64 << 10;

impl Charged {
    pub fn begin() -> Result<Self> {
        fs::write(format!("{ROOT}/cgroup.subtree_control"), "+memory")
            .context("enable the memory controller")?;
        match fs::create_dir(OURS) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(error).context(OURS);
            }
            _ => {}
        }
        let guard = Self(());
        move_to(OURS)?;
        Ok(guard)
    }

    /// Bytes of slabs that cannot be reclaimed.
    pub fn slab(&self) -> Result<u64> {
        let path = format!("{OURS}/memory.stat");
        let text = fs::read_to_string(&path).context(path)?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("slab_unreclaimable "))
            .context("no slab_unreclaimable in memory.stat")?;
        Ok(line.parse()?)
    }

    /// Waits until no more than at the beginning is charged.
    pub fn wait_for(&self, start: u64) -> Result<()> {
        let mut now = 0;
        wait::until("memory to come back", || {
            now = self.slab()?;
            Ok(now <= start + MAY_STAY)
        })
        .with_context(|| format!("{now} bytes of slabs are charged, {start} were at the start"))
    }
}

impl Drop for Charged {
    fn drop(&mut self) {
        // A cgroup that stays does no harm: the next test uses it again.
        let _ = move_to(ROOT);
        let _ = fs::remove_dir(OURS);
    }
}

fn move_to(cgroup: &str) -> Result<()> {
    fs::write(format!("{cgroup}/cgroup.procs"), "0").with_context(|| format!("move to {cgroup}"))
}

const KMEMLEAK: &str = "/sys/kernel/debug/kmemleak";
/// kmemleak takes younger objects for ones in the making.
const MIN_AGE: Duration = Duration::from_secs(6);

/// kmemleak, on a kernel that has it, knows no object without a pointer to it.
pub fn kmemleak_is_empty() -> Result<()> {
    if !Path::new(KMEMLEAK).exists() {
        return Ok(());
    }
    // The first scan notes the objects' checksums, the second reports those that kept them.
    fs::write(KMEMLEAK, "scan").context(KMEMLEAK)?;
    thread::sleep(MIN_AGE);
    fs::write(KMEMLEAK, "scan").context(KMEMLEAK)?;
    let report = fs::read_to_string(KMEMLEAK).context(KMEMLEAK)?;
    ensure!(report.is_empty(), "kmemleak reports\n{report}");
    Ok(())
}
