// SPDX-License-Identifier: MIT OR Apache-2.0
//! A cgroup, what memory is charged to it, and a limit for that.

use std::{
    fs, io, mem,
    os::fd::AsFd,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use libc::EBUSY;
use raw_bpf::{
    RawMap,
    sys::{self, map::MapAttr},
};

use crate::{check, child::Child, maps, tests::pinning::Pin, wait};

const ROOT: &str = "/sys/fs/cgroup";

/// The kernel charges in advance, up to 64 pages on each CPU.
pub fn in_advance() -> Result<u64> {
    Ok(64 * 4096 * cpus()?)
}

/// And each keeps less than a page of freed objects charged.
pub fn kept_by_cpus() -> Result<u64> {
    Ok(4096 * cpus()?)
}

fn cpus() -> Result<u64> {
    Ok(thread::available_parallelism()?.get() as u64)
}

/// An empty cgroup; maps and processes come into it by children of the test.
pub struct MemoryCgroup(PathBuf);

impl MemoryCgroup {
    pub fn new(name: &str) -> Result<Self> {
        let control = Path::new(ROOT).join("cgroup.subtree_control");
        fs::write(&control, "+memory").with_context(|| format!("+memory to {control:?}"))?;
        let dir = Path::new(ROOT).join(name);
        fs::create_dir(&dir).with_context(|| format!("make {dir:?}"))?;
        Ok(Self(dir))
    }

    /// Creates a map inside, so that its memory is charged to this cgroup.
    pub fn create_map(&self, attr: &MapAttr) -> Result<RawMap> {
        let pin = Pin::new("suite_memory_cgroup");
        let errno = Child::start(|| {
            self.enter()?;
            sys::obj_pin(maps::create_fd(attr)?.as_fd(), pin.path())
        })?
        .errno()?;
        check::equal(
            errno,
            0,
            "the errno of a map's creation inside of the cgroup",
        )?;
        Ok(RawMap::new(sys::obj_get(pin.path(), 0)?)?)
    }

    /// A process that stays inside.
    pub fn bystander(&self) -> Result<Child> {
        let child = Child::start::<()>(|| {
            self.enter()?;
            loop {
                thread::sleep(Duration::from_secs(1));
            }
        })?;
        wait::until("the bystander to be inside", || {
            Ok(!self.read("cgroup.procs")?.is_empty())
        })?;
        Ok(child)
    }

    /// Moves this process inside; out again by [`leave`].
    pub fn enter(&self) -> io::Result<()> {
        fs::write(self.0.join("cgroup.procs"), "0")
    }

    /// `None`: no limit.
    pub fn limit(&self, bytes: Option<u64>) -> Result<()> {
        let text = bytes.map_or("max".to_owned(), |bytes| bytes.to_string());
        let path = self.0.join("memory.max");
        fs::write(&path, text).with_context(|| format!("write {path:?}"))
    }

    /// Bytes charged, some of them in advance.
    pub fn current(&self) -> Result<u64> {
        let text = self.read("memory.current")?;
        text.trim().parse().context("memory.current")
    }

    /// Bytes of kernel objects charged, caches aside; each CPU may keep less than a
    /// page to itself.
    pub fn slab(&self) -> Result<u64> {
        self.field("memory.stat", "slab_unreclaimable")
    }

    /// Bytes of kernel objects and of large areas charged, none of them in advance.
    pub fn objects(&self) -> Result<u64> {
        Ok(self.slab()? + self.field("memory.stat", "vmalloc")?)
    }

    /// How many processes in it the kernel has killed for its limit.
    pub fn killed(&self) -> Result<u64> {
        self.field("memory.events", "oom_kill")
    }

    /// What is charged when no map is left, in advance and as kernel objects.
    pub fn settled(&self) -> Result<(u64, u64)> {
        let mut last = self.slab()?;
        wait::until("the charge to settle", || {
            let before = mem::replace(&mut last, self.slab()?);
            Ok(last == before)
        })?;
        Ok((self.current()?, last))
    }

    /// Waits until no more kernel objects are charged than `slab` said.
    pub fn given_back(&self, slab: u64) -> Result<()> {
        let mut left = 0;
        wait::until("the memory of maps to be given back", || {
            left = self.slab()?;
            Ok(left <= slab + kept_by_cpus()?)
        })
        .with_context(|| format!("{left} bytes of slab are charged, {slab} may be"))
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

/// Moves this process out of whatever cgroup it is in.
pub fn leave() -> io::Result<()> {
    fs::write(Path::new(ROOT).join("cgroup.procs"), "0")
}

impl Drop for MemoryCgroup {
    fn drop(&mut self) {
        // A process that has just ended may be counted for a moment.
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
