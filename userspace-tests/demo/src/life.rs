// SPDX-License-Identifier: MIT OR Apache-2.0
//! The life of one map that holds a family's prefixes, while no other map holds any: what it takes
//! from the system, and when it gives it back.

use std::time::Duration;

use anyhow::Result;

use crate::{
    load,
    origin_map::{Kind, OriginMap},
    prefix::Family,
    prefix_set::PrefixSet,
    progress::{Progress, Style},
    system_memory,
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
    system_memory::shrink_slabs()?;
    let before = system_memory::settle()?.used;
    let map = OriginMap::create(kind, family, set.entries().len(), None)?;
    load::fill(&map, set, &progress)?;

    progress.part("wait for grace periods");
    let full = system_memory::settle()?.used;
    let reported = map.reported_memory()?;

    progress.part("close and free");
    drop(map);
    let free = system_memory::settle()?.back;
    Ok(Life {
        taken: full.saturating_sub(before),
        reported,
        free,
    })
}
