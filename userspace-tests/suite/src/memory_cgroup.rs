// SPDX-License-Identifier: MIT OR Apache-2.0
//! A cgroup with memory accounting: the memory charged to it, and its limit.

use std::{
    fs, io,
    os::fd::AsFd,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use libc::EBUSY;
use raw_bpf::{
    RawMap,
    sys::{self, map::MapAttr},
};

use crate::{check, child::Child, maps, tests::pinning::Pin, wait};

const ROOT: &str = "/sys/fs/cgroup";

/// Memory that the kernel may charge in advance: 64 pages per CPU.
pub fn in_advance() -> Result<u64> {
    Ok(64 * 4096 * cpus()?)
}

/// Memory of freed objects that may stay charged: less than a page per CPU.
pub fn kept_by_cpus() -> Result<u64> {
    Ok(4096 * cpus()?)
}

fn cpus() -> Result<u64> {
    Ok(thread::available_parallelism()?.get() as u64)
}

/// A cgroup, initially empty; children of the test create maps and run in it.
pub struct MemoryCgroup(PathBuf);

impl MemoryCgroup {
    pub fn new(name: &str) -> Result<Self> {
        let control = Path::new(ROOT).join("cgroup.subtree_control");
        fs::write(&control, "+memory").with_context(|| format!("+memory to {control:?}"))?;
        let dir = Path::new(ROOT).join(name);
        fs::create_dir(&dir).with_context(|| format!("make {dir:?}"))?;
        Ok(Self(dir))
    }

    /// Creates a map from within, so that its memory is charged to this cgroup.
    pub fn create_map(&self, attr: &MapAttr) -> Result<RawMap> {
        let pin = Pin::new("suite_memory_cgroup");
        let errno = Child::start(|| {
            self.enter()?;
            sys::obj_pin(maps::create_fd(attr)?.as_fd(), pin.path())
        })?
        .errno()?;
        check::equal(errno, 0, "errno of creating a map inside the cgroup")?;
        Ok(RawMap::new(sys::obj_get(pin.path(), 0)?)?)
    }

    /// Starts a process that stays in the cgroup.
    pub fn bystander(&self) -> Result<Child> {
        let child = Child::start::<()>(|| {
            self.enter()?;
            loop {
                thread::sleep(Duration::from_secs(1));
            }
        })?;
        wait::until("the bystander to enter the cgroup", || {
            Ok(!self.read("cgroup.procs")?.is_empty())
        })?;
        Ok(child)
    }

    /// Moves this process into the cgroup; [`leave`] moves it out.
    pub fn enter(&self) -> io::Result<()> {
        fs::write(self.0.join("cgroup.procs"), "0")
    }

    /// Sets the limit; `None` means no limit.
    pub fn limit(&self, bytes: Option<u64>) -> Result<()> {
        let text = bytes.map_or("max".to_owned(), |bytes| bytes.to_string());
        let path = self.0.join("memory.max");
        fs::write(&path, text).with_context(|| format!("write {path:?}"))
    }

    /// Bytes charged, including those charged in advance.
    pub fn current(&self) -> Result<u64> {
        let text = self.read("memory.current")?;
        text.trim().parse().context("memory.current")
    }

    /// Bytes of unreclaimable kernel objects charged; each CPU may hold back less than
    /// a page.
    pub fn slab(&self) -> Result<u64> {
        self.field("memory.stat", "slab_unreclaimable")
    }

    /// Bytes of kernel objects and vmalloc areas charged, without advance charges.
    pub fn objects(&self) -> Result<u64> {
        Ok(self.slab()? + self.field("memory.stat", "vmalloc")?)
    }

    /// The number of processes killed because of the limit.
    pub fn killed(&self) -> Result<u64> {
        self.field("memory.events", "oom_kill")
    }

    /// Waits until the charge is stable; returns all bytes charged, and those of kernel
    /// objects.
    pub fn settled(&self) -> Result<(u64, u64)> {
        // The kernel may take two seconds to bring the statistics up to date.
        const STABLE: Duration = Duration::from_millis(2500);
        let mut last = (self.slab()?, Instant::now());
        wait::until("the charge to settle", || {
            let now = self.slab()?;
            if now != last.0 {
                last = (now, Instant::now());
            }
            Ok(last.1.elapsed() >= STABLE)
        })?;
        Ok((self.current()?, last.0))
    }

    /// Waits until the charge for kernel objects is down to `slab` again.
    pub fn given_back(&self, slab: u64) -> Result<()> {
        let mut left = 0;
        wait::until("the memory of maps to be freed", || {
            left = self.slab()?;
            Ok(left <= slab + kept_by_cpus()?)
        })
        .with_context(|| format!("{left} bytes of slab are charged, expected at most {slab}"))
    }

    fn field(&self, file: &str, name: &str) -> Result<u64> {
        let text = self.read(file)?;
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
            .with_context(|| format!("{file} has no {name}:\n{text}"))?
            .parse()
            .with_context(|| format!("{file}: {name}"))
    }

    fn read(&self, file: &str) -> Result<String> {
        let path = self.0.join(file);
        fs::read_to_string(&path).with_context(|| format!("read {path:?}"))
    }
}

/// Moves this process to the root cgroup.
pub fn leave() -> io::Result<()> {
    fs::write(Path::new(ROOT).join("cgroup.procs"), "0")
}

impl Drop for MemoryCgroup {
    fn drop(&mut self) {
        // A process that has just exited may still be counted for a moment.
        for _ in 0..100 {
            match fs::remove_dir(&self.0) {
                Err(error) if error.raw_os_error() == Some(EBUSY) => {
                    thread::sleep(Duration::from_millis(10));
                }
                _ => return,
            }
        }
    }
}
