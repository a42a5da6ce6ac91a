// SPDX-License-Identifier: MIT OR Apache-2.0
//! A map of either type from the prefixes of one family to their origin AS.

use std::{
    fs, io,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use aya::maps::MapError;
use lpm_mtrie::{MapType, map};
use raw_bpf::RawMap;

use crate::{
    batch::{self, Refused},
    prefix::Family,
    prefix_set::{Entry, PrefixSet},
    progress::{Progress, Style},
};

/// BPF_F_NO_PREALLOC, which LPM_TRIE requires and LPM_MTRIE accepts.
const NO_PREALLOC: u32 = 1;
const VALUE_SIZE: u32 = size_of::<u64>() as u32;
/// Elements per BPF_MAP_UPDATE_BATCH call.
const BATCH: usize = 4096;

/// A map type, with its display name.
#[derive(Clone, Copy)]
pub struct Kind {
    pub name: &'static str,
    pub map_type: MapType,
}

/// A failure to create a map.
#[derive(Debug, thiserror::Error)]
enum CreateError {
    #[error("cannot create an {name} map: no module provides the type; run modprobe lpm_mtrie")]
    NoModule {
        name: &'static str,
        source: MapError,
    },
    #[error("cannot create an {name} map")]
    Refused {
        name: &'static str,
        source: MapError,
    },
}

impl CreateError {
    /// The kernel returns EINVAL for a declared type whose module is missing.
    fn new(kind: Kind, source: MapError) -> Self {
        let name = kind.name;
        match &source {
            MapError::CreateError { io_error, .. }
                if io_error.raw_os_error() == Some(libc::EINVAL)
                    && kind.map_type != MapType::LPM_TRIE =>
            {
                Self::NoModule { name, source }
            }
            _ => Self::Refused { name, source },
        }
    }
}

pub struct OriginMap {
    kind: Kind,
    family: Family,
    map: RawMap<OwnedFd>,
}

/// The cost of filling a map.
pub struct Load {
    pub prefixes: usize,
    /// Time of the batch calls only, including waits for LPM_TRIE's allocator.
    pub time: Duration,
    /// Batch calls that stopped early with ENOMEM and were resumed.
    pub retries: u32,
    pub memlock: u64,
}

impl OriginMap {
    /// Creates a map with room for `prefixes` and pins it if a path is given.
    pub fn create(kind: Kind, family: Family, prefixes: usize, pin: Option<&Path>) -> Result<Self> {
        let name = match family {
            Family::V4 => "origin_v4",
            Family::V6 => "origin_v6",
        };
        let key_size = family.key(0, 0).as_bytes().len() as u32;
        // max_entries must not be 0, even if the table lacks a family.
        let max_entries = u32::try_from(prefixes.max(1)).context("too many prefixes")?;
        let data = map::create(
            kind.map_type,
            name,
            key_size,
            VALUE_SIZE,
            max_entries,
            NO_PREALLOC,
        )
        .map_err(|error| CreateError::new(kind, error))?;
        if let Some(pin) = pin {
            data.pin(pin)
                .with_context(|| format!("pin a map at {}", pin.display()))?;
        }
        let fd = data.fd().as_fd().try_clone_to_owned()?;
        let map = RawMap::new(fd).context("read the map's sizes")?;
        Ok(Self { kind, family, map })
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn try_clone_fd(&self) -> io::Result<OwnedFd> {
        self.map.fd().try_clone_to_owned()
    }

    /// Fills the map by batch updates.
    pub fn load(&self, set: &PrefixSet, style: Style) -> Result<Load> {
        let mut load = Load {
            prefixes: set.entries().len(),
            time: Duration::ZERO,
            retries: 0,
            memlock: 0,
        };
        let what = format!("{} {}", self.kind.name, self.family.name());
        let mut progress = Progress::new(style, what, load.prefixes);
        for entries in set.entries().chunks(BATCH) {
            self.load_chunk(entries, &mut load)?;
            progress.advance(entries.len());
        }
        load.memlock = self.memlock()?;
        Ok(load)
    }

    fn load_chunk(&self, entries: &[Entry], load: &mut Load) -> Result<()> {
        let elements: Vec<_> = entries
            .iter()
            .map(|Entry { prefix, value }| {
                let key = self.family.key(prefix.bits, prefix.len);
                (key.as_bytes().to_vec(), value.to_ne_bytes().to_vec())
            })
            .collect();
        let begin = Instant::now();
        let updated = batch::update_all(&elements, |left| self.map.update_batch(left, 0));
        load.time += begin.elapsed();
        load.retries += updated.map_err(|Refused { index, error }| {
            let prefix = entries[index].prefix.display(self.family);
            anyhow!(error).context(format!("{} refused {prefix} in a batch", self.kind.name))
        })?;
        Ok(())
    }

    /// The value of the longest prefix that covers an address.
    pub fn lookup(&self, addr: u128) -> Result<Option<u64>> {
        let key = self.family.key(addr, self.family.bits());
        match self.map.lookup(key.as_bytes(), 0) {
            Ok(value) => {
                let value = value.try_into().ok().context("a value is not 8 bytes")?;
                Ok(Some(u64::from_ne_bytes(value)))
            }
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            Err(error) => {
                let addr = self.family.address(addr);
                Err(error).with_context(|| format!("look up {addr} in {}", self.kind.name))
            }
        }
    }

    /// The map's memory as reported by the kernel, in bytes.
    fn memlock(&self) -> Result<u64> {
        let path = format!("/proc/self/fdinfo/{}", self.map.fd().as_raw_fd());
        let fdinfo = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
        let Some(memlock) = fdinfo
            .lines()
            .find_map(|line| line.strip_prefix("memlock:"))
        else {
            bail!("{path} has no line 'memlock:'");
        };
        let bytes = memlock.trim().parse();
        bytes.with_context(|| format!("parse 'memlock:{memlock}' in {path}"))
    }
}
