// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory and freeing time of a single map with a family's prefixes, measured while no other map
//! holds any.

use std::time::Duration;

use anyhow::Result;

use crate::{
    load,
    origin_map::{Kind, OriginMap},
    prefix::Family,
    prefix_set::PrefixSet,
    progress::{Progress, Style},
    system_memory::{NOISE, settle, settle_below, shrink_slabs},
};

/// Memory is in bytes.
pub struct Life {
    /// Growth of the kernel's memory.
    pub taken: u64,
    pub reported: u64,
    /// From the last close until the memory was back.
    pub free: Duration,
}

pub fn live(kind: Kind, family: Family, set: &PrefixSet, style: Style) -> Result<Life> {
    let what = format!("{} {}", kind.name, family.name());
    let progress = Progress::new(style, what, "load, close", set.entries().len());
    progress.part("load");
    shrink_slabs()?;
    let before = settle()?.used;
    let map = OriginMap::create(kind, family, set.entries().len(), None)?;
    load::fill(&map, set, &progress)?;

    progress.part("wait for grace periods");
    let full = settle()?.used;
    let reported = map.reported_memory()?;

    progress.part("close and free");
    let taken = full.saturating_sub(before);
    drop(map);
    // On a busy machine it may be a while before the kernel begins.
    let free = settle_below(before + NOISE.max(taken / 2))?.back;
    Ok(Life {
        taken,
        reported,
        free,
    })
}
