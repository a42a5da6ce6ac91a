// SPDX-License-Identifier: MIT OR Apache-2.0
//! The two maps of the torture test, and the counts of successes on them.

use std::{
    os::fd::{AsFd, OwnedFd},
    sync::atomic::{AtomicU64, Ordering},
};

use anyhow::{Context, Result};
use lpm_mtrie::{Loader, Object};
use raw_bpf::{RawMap, sys::map::MapAttr};

use super::pattern::{BLOCK, DATA};
use crate::{
    harness::Type,
    maps::{self, Shape},
    objects,
};

/// `enum count` of bpf/torture.bpf.c.
#[derive(Clone, Copy, Debug)]
pub enum Count {
    InClassifier,
    InRawTracepoint,
    InPerfEvent,
    InKprobe,
    InWriter,
    Found,
    Inserted,
    Deleted = Self::Inserted as isize + 2,
    Replaced = Self::Deleted as isize + 2,
    Refused,
    NoMemory,
    NoLock,
    WrongValue,
    WrongErrno,
    AWrongOne,
    Counts,
}

/// ARRAY: a uapi number.
const ARRAY: u32 = 2;

/// Counts of successes in userspace.
pub struct Tally([AtomicU64; Count::Counts as usize]);

impl Tally {
    pub fn new() -> Self {
        Self([const { AtomicU64::new(0) }; Count::Counts as usize])
    }

    /// Counts one; `offset` is the map's number, where that matters.
    pub fn count(&self, what: Count, offset: usize) {
        self.0[what as usize + offset].fetch_add(1, Ordering::Relaxed);
    }

    pub fn get(&self, what: Count, offset: usize) -> u64 {
        self.0[what as usize + offset].load(Ordering::Relaxed)
    }
}

/// `words` has values of 8 bytes, which are replaced in place, and few entries;
/// `blocks` has larger values, and is never full.
pub struct Subjects {
    pub on: Type,
    pub maps: [RawMap; 2],
    counts: RawMap,
}

const NAMES: [&str; 2] = ["words", "blocks"];
pub const SHAPES: [Shape; 2] = [
    Shape {
        data: DATA,
        value: 8,
        max_entries: 512,
    },
    Shape {
        data: DATA,
        value: 8 * BLOCK,
        max_entries: 65_536,
    },
];

impl Subjects {
    pub fn create(on: Type) -> Result<Self> {
        let [words, blocks] = SHAPES;
        let counts = MapAttr {
            map_type: ARRAY,
            key_size: 4,
            value_size: 8,
            max_entries: Count::Counts as u32,
            ..MapAttr::default()
        };
        Ok(Self {
            on,
            maps: [maps::create(on, words)?, maps::create(on, blocks)?],
            counts: RawMap::create(&counts).context("create the array of counts")?,
        })
    }

    /// Descriptors of the same maps that are closed independently of these.
    pub fn reopen(&self, maps: [OwnedFd; 2]) -> Result<Self> {
        let [words, blocks] = maps;
        Ok(Self {
            on: self.on,
            maps: [RawMap::new(words)?, RawMap::new(blocks)?],
            counts: RawMap::new(self.counts.fd().try_clone_to_owned()?)?,
        })
    }

    /// bpf/torture.bpf.c on these maps.
    pub fn load(&self) -> Result<Object> {
        let mut loader = Loader::new().lpm_type(self.on.map_type());
        for (name, map) in NAMES.iter().zip(&self.maps) {
            loader = loader.reuse(name, map.fd().try_clone_to_owned()?);
        }
        let counts = self.counts.fd().as_fd().try_clone_to_owned()?;
        Ok(loader.reuse("counts", counts).load(objects::TORTURE)?)
    }

    /// A count of the programs.
    pub fn count(&self, what: Count, offset: usize) -> Result<u64> {
        let index = (what as usize + offset) as u32;
        let bytes = self.counts.lookup(&index.to_ne_bytes(), 0)?;
        Ok(u64::from_ne_bytes(bytes.as_slice().try_into()?))
    }
}
