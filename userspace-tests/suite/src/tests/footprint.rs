// SPDX-License-Identifier: MIT OR Apache-2.0
//! The memory of maps with few entries, as they report it and as the machine does: it does not
//! depend on max_entries.

use anyhow::{Context, Result};
use raw_bpf::RawMap;

use super::create::field;
use crate::{
    check,
    harness::{Test, Type},
    maps::{self, IPV4, Shape, value},
    memory::{KernelMemory, available},
    model::ANY,
    prefix::v4,
};

pub const TESTS: &[Test] = &[
    Test::mtrie("memory_of_an_empty_map_is_at_most_4_kib", empty),
    Test::mtrie("memory_of_a_map_with_an_entry_is_at_most_8_kib", many),
];

const KIB: u64 = 1 << 10;
const EMPTY_MOST: u64 = 4 * KIB;
const ONE_ENTRY_MOST: u64 = 8 * KIB;
const MAPS: u64 = 200;
/// How much the machine's figures may change for other reasons: its CPUs cache pages.
const NOISE: u64 = 2048 * KIB;

fn made_for(max_entries: u32) -> Shape {
    Shape {
        max_entries,
        ..IPV4
    }
}

fn empty(on: Type) -> Result<()> {
    for max_entries in [1, 1024, 65_535, 65_536, 1 << 20, u32::MAX] {
        let map = maps::create(on, made_for(max_entries))?;
        let reported = field(&map, "memlock")?;
        check::holds(
            (1..=EMPTY_MOST).contains(&reported),
            &format!("an empty map for {max_entries} entries reports {reported} bytes"),
        )?;
    }
    Ok(())
}

/// Slabs, vmalloc areas and per-CPU memory, in bytes.
fn used() -> Result<u64> {
    let now = KernelMemory::now()?;
    Ok(now.slab + now.vmalloc + now.percpu)
}

fn many(on: Type) -> Result<()> {
    // The first map may load the module.
    drop(maps::create(on, IPV4)?);
    let (used_before, available_before) = (used()?, available()?);
    let maps: Vec<RawMap> = (0..MAPS as u8)
        .map(|n| {
            let map = maps::create(on, made_for(65_536))?;
            map.update(&v4([10, n, 0, 0], 16), &value(n.into()), ANY)?;
            Ok(map)
        })
        .collect::<Result<_>>()?;
    let used = used()?.saturating_sub(used_before);
    let taken = available_before.saturating_sub(available()?);
    let mut reported = 0;
    for map in &maps {
        reported += field(map, "memlock").context("a map's own figure")?;
    }
    print!(
        "per map: {} bytes by its own figure, {} of slab, {} of available memory ... ",
        reported / MAPS,
        used / MAPS,
        taken / MAPS
    );
    let most = MAPS * ONE_ENTRY_MOST;
    check::holds(
        reported <= most,
        &format!("{MAPS} maps report {reported} bytes"),
    )?;
    check::holds(
        used <= most,
        &format!("the kernel uses {used} bytes more for {MAPS} maps"),
    )?;
    check::holds(
        taken <= most + NOISE,
        &format!("{taken} bytes less are available with {MAPS} maps"),
    )
}
