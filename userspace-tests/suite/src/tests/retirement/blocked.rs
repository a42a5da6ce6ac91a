// SPDX-License-Identifier: MIT OR Apache-2.0
//! A child whose updates by bpf(2) block.

use std::{
    fs,
    io::{self, PipeReader, PipeWriter, Read, Write},
};

use anyhow::{Context, Result};
use raw_bpf::{RawMap, sys::map::MapAttr};

use super::scene::{key, value};
use crate::{child::Child, model::ANY, wait};

/// It waits for a byte, and then updates until it is killed.
pub struct Updater {
    child: Child,
    go: PipeWriter,
    counter: RawMap,
}

/// ARRAY: a uapi number.
const ARRAY: u32 = 2;
/// How often the child must be found asleep in the same call.
const ENOUGH: u32 = 50;

impl Updater {
    pub fn new(map: &RawMap) -> Result<Self> {
        let counter = RawMap::create(&MapAttr {
            map_type: ARRAY,
            key_size: 4,
            value_size: 8,
            max_entries: 1,
            ..MapAttr::default()
        })
        .context("create the counter")?;
        let (wait, go) = io::pipe().context("pipe")?;
        let child = Child::start(|| -> io::Result<()> { update(&wait, map, &counter) })?;
        Ok(Self { child, go, counter })
    }

    pub fn start(&mut self) -> Result<()> {
        self.go.write_all(&[1]).context("tell the child")
    }

    fn count(&self) -> Result<Vec<u8>> {
        Ok(self.counter.lookup(&[0; 4], 0)?)
    }

    /// Whether the child sleeps inside bpf(2): "NUMBER ARGUMENTS…", or "running".
    fn sleeps_in_bpf(&self) -> Result<bool> {
        let path = format!("/proc/{}/syscall", self.child.id());
        let text = fs::read_to_string(&path).context(path)?;
        Ok(text.starts_with(&format!("{} ", libc::SYS_bpf)))
    }

    pub fn wait_until_blocked(&self) -> Result<()> {
        let (mut last, mut asleep) = (self.count()?, 0);
        wait::until("an update by bpf(2) to wait for the parked program", || {
            let now = self.count()?;
            if now != last {
                (last, asleep) = (now, 0);
            } else if self.sleeps_in_bpf()? {
                asleep += 1;
            }
            Ok(asleep >= ENOUGH)
        })
    }

    /// Kills it while it waits.
    pub fn dies_of_sigkill(self) -> Result<()> {
        self.child
            .dies_of_sigkill()
            .context("a fatal signal to a blocked update")
    }
}

fn update(mut wait: &PipeReader, map: &RawMap, counter: &RawMap) -> io::Result<()> {
    wait.read_exact(&mut [0])?;
    for number in 0u64.. {
        // A lock that timed out is no reason to end.
        let _ = map.update(&key(number as u32 % 64), &value(number), ANY);
        counter.update(&[0; 4], &number.to_ne_bytes(), ANY)?;
    }
    Ok(())
}
