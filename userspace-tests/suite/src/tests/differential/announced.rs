// SPDX-License-Identifier: MIT OR Apache-2.0
//! A stream of routes: prefixes of the BGP table in the table's order, then withdrawals and
//! announcements of these.
//!
//! The seed determines the slice of the table, and the changes.

use anyhow::{Context, Result, ensure};

use super::three::Three;
use crate::{
    harness::Type,
    maps::Shape,
    model::{ANY, NOEXIST},
    random::Random,
    routes,
};

/// An address family's part of the stream.
#[derive(Clone, Copy, Debug)]
pub struct Slice {
    /// 4 or 16: bytes of an address.
    pub data: u32,
    pub value: u32,
    pub max_entries: u32,
    /// How many prefixes are announced, fewer or more than fit.
    pub prefixes: usize,
}

pub fn stream(on: Type, text: &[u8], slice: Slice, random: &mut Random) -> Result<()> {
    let shape = Shape {
        data: slice.data,
        value: slice.value,
        max_entries: slice.max_entries,
    };
    let mut three = Three::new(on, shape)?;
    let prefixes = prefixes(text, slice, random)?;
    let value = |random: &mut Random| random.bytes(slice.value as usize);

    for key in &prefixes {
        three
            .update(key, &value(random), ANY)
            .with_context(|| format!("announce {key:?}"))?;
    }
    three.walk().context("walk over the announced prefixes")?;

    for step in 0..prefixes.len() / 2 {
        let key = random.pick(&prefixes);
        match random.below(6) {
            0 | 1 => three.delete(key),
            2 => three.update(key, &value(random), ANY),
            3 => three.update(key, &value(random), NOEXIST),
            4 => three.lookup(&routes::address_below(key, random), 0),
            _ => three.next_key(Some(key)),
        }
        .with_context(|| format!("change {step}, {key:?}"))?;
    }
    three.walk().context("walk after the changes")?;

    for key in &prefixes {
        three
            .delete(key)
            .with_context(|| format!("withdraw {key:?}"))?;
    }
    three.walk().context("walk over the empty map")
}

/// Consecutive prefixes of one family from somewhere in the table, as keys.
fn prefixes(text: &[u8], slice: Slice, random: &mut Random) -> Result<Vec<Vec<u8>>> {
    let all = routes::lines(text, slice.data);
    ensure!(
        all.len() > slice.prefixes,
        "the table has {} prefixes of {} bytes, {} are needed",
        all.len(),
        slice.data,
        slice.prefixes
    );
    let from = random.below(all.len() - slice.prefixes);
    all[from..from + slice.prefixes]
        .iter()
        .map(|line| routes::key(line))
        .collect()
}
