// SPDX-License-Identifier: MIT OR Apache-2.0
//! A map of each type with the same prefixes: how fast both are filled, and read as a whole.

use anyhow::Result;

use crate::{
    load::{self, Loads},
    origin_map::{Kind, OriginMap},
    pins::Pins,
    prefix::Family,
    prefix_set::PrefixSet,
    progress::{Progress, Style},
    turns::Work,
    walk,
};

/// LPM_TRIE and LPM_MTRIE.
pub struct Pair {
    pub maps: [OriginMap; 2],
    pub loads: Loads,
    pub walk_in_batches: [Work; 2],
    pub walk_by_keys: [Work; 2],
}

impl Pair {
    /// Creates both, and pins the second.
    pub fn fill(
        kinds: [Kind; 2],
        family: Family,
        set: &PrefixSet,
        pins: &Pins,
        style: Style,
    ) -> Result<Self> {
        let prefixes = set.entries().len();
        let pin = pins.path(family.name());
        let trie = OriginMap::create(kinds[0], family, prefixes, None)?;
        let mtrie = OriginMap::create(kinds[1], family, prefixes, Some(&pin))?;
        let maps = [&trie, &mtrie];
        let what = format!("both {}", family.name());
        let progress = Progress::new(style, what, "load, walk", 6 * prefixes);
        progress.part("load");
        let loads = load::fill_both(maps, set, &progress)?;
        progress.part("walk in batches");
        let walk_in_batches = walk::in_batches(maps, set, &progress)?;
        progress.part("walk by get_next_key");
        let walk_by_keys = walk::by_keys(maps, set, &progress)?;
        Ok(Self {
            maps: [trie, mtrie],
            loads,
            walk_in_batches,
            walk_by_keys,
        })
    }
}
