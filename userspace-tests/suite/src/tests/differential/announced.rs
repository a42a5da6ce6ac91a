// SPDX-License-Identifier: MIT OR Apache-2.0
//! A stream of routes: prefixes of the BGP table in the table's order, then
//! withdrawals and announcements among them.
//!
//! The table's path is in LPM_MTRIE_TABLE, which scripts/test sets to what
//! scripts/table prints; its lines are `prefix/len value`. The seed chooses a
//! slice of it, and what comes and goes.

use std::{env, fs, net::IpAddr, str};

use anyhow::{Context, Result, ensure};

use super::three::Three;
use crate::{
    harness::Type,
    maps::Shape,
    model::{ANY, NOEXIST},
    prefix::Prefix,
    random::Random,
};

pub const TABLE: &str = "LPM_MTRIE_TABLE";

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
    three.walk().context("walk over what was announced")?;

    for step in 0..prefixes.len() / 2 {
        let key = random.pick(&prefixes);
        match random.below(6) {
            0 | 1 => three.delete(key),
            2 => three.update(key, &value(random), ANY),
            3 => three.update(key, &value(random), NOEXIST),
            4 => three.lookup(&address_below(key, random), 0),
            _ => three.next_key(Some(key)),
        }
        .with_context(|| format!("change {step}, {key:?}"))?;
    }
    three.walk().context("walk over what changes have left")?;

    for key in &prefixes {
        three
            .delete(key)
            .with_context(|| format!("withdraw {key:?}"))?;
    }
    three.walk().context("walk over nothing")
}

/// Consecutive prefixes of one family from somewhere in the table, as keys.
fn prefixes(text: &[u8], slice: Slice, random: &mut Random) -> Result<Vec<Vec<u8>>> {
    let all: Vec<&[u8]> = text
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty() && line.contains(&b':') == (slice.data == 16))
        .collect();
    ensure!(
        all.len() > slice.prefixes,
        "the table has {} prefixes of {} bytes, {} are wanted",
        all.len(),
        slice.data,
        slice.prefixes
    );
    let from = random.below(all.len() - slice.prefixes);
    all[from..from + slice.prefixes]
        .iter()
        .map(|line| key(line).with_context(|| String::from_utf8_lossy(line).into_owned()))
        .collect()
}

fn key(line: &[u8]) -> Result<Vec<u8>> {
    let prefix = str::from_utf8(line)?
        .split_whitespace()
        .next()
        .context("an empty line")?;
    let (address, len) = prefix.split_once('/').context("no '/len'")?;
    let data = match address.parse()? {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    Ok(Prefix::new(len.parse()?, &data).key())
}

/// A whole address that the prefix covers.
fn address_below(key: &[u8], random: &mut Random) -> Vec<u8> {
    let prefix = Prefix::from_key(key);
    let mut data = random.bytes(prefix.data.len());
    for bit in 0..prefix.len as usize {
        let mask = 0x80 >> (bit % 8);
        data[bit / 8] = data[bit / 8] & !mask | prefix.data[bit / 8] & mask;
    }
    Prefix::new(data.len() as u32 * 8, &data).key()
}

/// The table's text.
pub fn table() -> Result<Vec<u8>> {
    let path = env::var(TABLE).with_context(|| {
        format!("{TABLE} is not set: this test wants the path that scripts/table prints")
    })?;
    fs::read(&path).with_context(|| format!("{TABLE}={path}"))
}
