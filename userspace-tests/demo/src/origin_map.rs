// SPDX-License-Identifier: MIT OR Apache-2.0
//! A map of either type from the prefixes of one family to their origin AS.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
};

use anyhow::{Context, Result};
use lpm_mtrie::{Error, LpmMap, MapType};
use raw_bpf::RawMap;

use crate::prefix::{Family, Key};

/// A map type, with its display name.
#[derive(Clone, Copy)]
pub struct Kind {
    pub name: &'static str,
    pub map_type: MapType,
}

impl Kind {
    /// LPM_TRIE and LPM_MTRIE, in the order of every pair in this program.
    pub fn both() -> Result<[Self; 2]> {
        let trie = Self {
            name: "LPM_TRIE",
            map_type: MapType::LPM_TRIE,
        };
        let mtrie = Self {
            name: "LPM_MTRIE",
            map_type: MapType::lpm_mtrie()?,
        };
        Ok([trie, mtrie])
    }

    /// The kernel returns EINVAL for a declared type whose module is missing.
    fn why_not_created(self, error: &Error) -> String {
        match error.errno() {
            Some(libc::EINVAL) if self.map_type != MapType::LPM_TRIE => {
                "no module provides the map type; run modprobe lpm_mtrie".to_owned()
            }
            _ => format!("{} is not available", self.name),
        }
    }
}

pub struct OriginMap {
    pub kind: Kind,
    pub family: Family,
    map: LpmMap<Key, u64>,
}

impl OriginMap {
    /// Creates a map with room for `prefixes` and pins it if a path is given.
    pub fn create(kind: Kind, family: Family, prefixes: usize, pin: Option<&Path>) -> Result<Self> {
        let name = match family {
            Family::V4 => "origin_v4",
            Family::V6 => "origin_v6",
        };
        // max_entries must not be 0, even if the table lacks a family.
        let max_entries = u32::try_from(prefixes.max(1)).context("too many prefixes")?;
        let mut builder = LpmMap::builder(name)
            .map_type(kind.map_type)
            .data_size(usize::from(family.bits() / 8))
            .max_entries(max_entries);
        if let Some(pin) = pin {
            builder = builder.pin(pin);
        }
        let map = builder.create().map_err(|error| {
            let why = kind.why_not_created(&error);
            anyhow::Error::new(error).context(why)
        })?;
        Ok(Self { kind, family, map })
    }

    pub fn name(&self) -> String {
        format!("{} {}", self.kind.name, self.family.name())
    }

    pub fn try_clone_fd(&self) -> io::Result<OwnedFd> {
        self.map.as_fd().try_clone_to_owned()
    }

    /// The bare calls, to time what the kernel does and no conversions.
    pub fn calls(&self) -> Result<RawMap<BorrowedFd<'_>>> {
        RawMap::new(self.map.as_fd()).context("read the map's sizes")
    }

    /// The value of the longest prefix that covers an address.
    pub fn lookup(&self, addr: u128) -> Result<Option<u64>> {
        let found = self.map.lookup(self.family.key(addr, self.family.bits()));
        found.with_context(|| format!("look up {} in {}", self.family.address(addr), self.name()))
    }

    /// The map's memory as its fdinfo reports it, in bytes.
    pub fn reported_memory(&self) -> Result<u64> {
        Ok(self.map.info()?.memory)
    }
}
