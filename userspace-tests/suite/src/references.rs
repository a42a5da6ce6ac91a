// SPDX-License-Identifier: MIT OR Apache-2.0
//! References to a map: the kernel's own counters, and the freeing of the map.
//!
//! `refcnt` counts everything that keeps a map in memory; `usercnt` counts those
//! references through which userspace can reach it: open files and pins. The programs
//! in bpf/references.bpf.c read both inside the kernel.

use std::{
    fs::File,
    io::Read,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use anyhow::{Context, Result, ensure};
use aya_obj::generated::bpf_attach_type::{BPF_TRACE_FENTRY, BPF_TRACE_ITER};
use lpm_mtrie::{Loader, Object};
use raw_bpf::{
    RawMap, sys,
    sys::prog::{Target, iter_create, link_create},
};

use crate::{objects, wait};

/// The programs, attached.
pub struct Watch {
    object: Object,
    maps: OwnedFd,
    _on_free: OwnedFd,
}

/// `struct counters` of bpf/references.bpf.c.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters {
    /// Identifies the map, even after its id has been removed.
    pub cookie: u64,
    pub refcnt: i64,
    pub usercnt: i64,
    /// 0 once the map cannot be found by id.
    pub id: u64,
}

const SIZE: usize = 32;

impl Counters {
    fn parse(bytes: &[u8]) -> Self {
        let word = |index: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[8 * index..8 * index + 8]);
            word
        };
        Self {
            cookie: u64::from_ne_bytes(word(0)),
            refcnt: i64::from_ne_bytes(word(1)),
            usercnt: i64::from_ne_bytes(word(2)),
            id: u64::from_ne_bytes(word(3)),
        }
    }
}

impl Watch {
    pub fn new() -> Result<Self> {
        let object = Loader::new().load(objects::REFERENCES)?;
        let report = object.load_program_for("report", "bpf_map")?;
        let maps = link_create(report.as_fd(), Target::AsLoaded, BPF_TRACE_ITER)
            .context("attach the iterator over maps")?;
        let note_free = object.load_program_for("note_free", "bpf_map_free")?;
        let on_free = link_create(note_free.as_fd(), Target::AsLoaded, BPF_TRACE_FENTRY)
            .context("attach to bpf_map_free")?;
        Ok(Self {
            object,
            maps,
            _on_free: on_free,
        })
    }

    /// The counters of all maps in the system.
    fn all(&self) -> Result<Vec<Counters>> {
        let mut bytes = vec![];
        File::from(iter_create(self.maps.as_fd())?)
            .read_to_end(&mut bytes)
            .context("read the iterator over maps")?;
        ensure!(
            bytes.len() % SIZE == 0,
            "{} bytes of counters, not a multiple of {SIZE}",
            bytes.len()
        );
        Ok(bytes.chunks(SIZE).map(Counters::parse).collect())
    }

    /// The counters of the map of a descriptor.
    pub fn of(&self, map: BorrowedFd<'_>) -> Result<Counters> {
        let id = u64::from(sys::map::info(map)?.id);
        self.all()?
            .into_iter()
            .find(|map| map.id == id)
            .with_context(|| format!("the iterator found no map with id {id}"))
    }

    /// The counters of a map without a descriptor; `None` if there is no such map.
    pub fn find(&self, cookie: u64) -> Result<Option<Counters>> {
        Ok(self.all()?.into_iter().find(|map| map.cookie == cookie))
    }

    /// The map's last counters, if the kernel has freed it.
    pub fn freed(&self, cookie: u64) -> Result<Option<Counters>> {
        let freed = RawMap::new(self.object.map("freed")?.fd())?;
        match freed.lookup(&cookie.to_ne_bytes(), 0) {
            Ok(last) => Ok(Some(Counters::parse(&last))),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            Err(error) => Err(error).context("look up the freed map"),
        }
    }

    /// Waits until a worker has freed the map, and returns its last counters.
    pub fn wait_for_free(&self, cookie: u64) -> Result<Counters> {
        let mut last = None;
        wait::until("the map to be freed", || {
            last = self.freed(cookie)?;
            Ok(last.is_some())
        })?;
        last.context("the map was freed")
    }
}
