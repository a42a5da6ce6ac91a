// SPDX-License-Identifier: MIT OR Apache-2.0
//! The BGP table, as map keys.
//!
//! LPM_MTRIE_TABLE is its path, which scripts/inputs/table prints and scripts/test sets; its
//! lines are `prefix/len value`.

use std::{env, fs, net::IpAddr, str};

use anyhow::{Context, Result};

use crate::{prefix::Prefix, random::Random};

const TABLE: &str = "LPM_MTRIE_TABLE";

/// The table's text.
pub fn table() -> Result<Vec<u8>> {
    let path = env::var(TABLE).with_context(|| {
        format!("{TABLE} is not set; it must be the path that scripts/inputs/table prints")
    })?;
    fs::read(&path).with_context(|| format!("{TABLE}={path}"))
}

/// The lines of one family, whose addresses have `data` bytes: 4 or 16.
pub fn lines(text: &[u8], data: u32) -> Vec<&[u8]> {
    text.split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty() && line.contains(&b':') == (data == 16))
        .collect()
}

/// Parses a line's prefix into a key.
pub fn key(line: &[u8]) -> Result<Vec<u8>> {
    parse(line).with_context(|| String::from_utf8_lossy(line).into_owned())
}

fn parse(line: &[u8]) -> Result<Vec<u8>> {
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

/// A random full-length address within the prefix.
pub fn address_below(key: &[u8], random: &mut Random) -> Vec<u8> {
    let prefix = Prefix::from_key(key);
    let mut data = random.bytes(prefix.data.len());
    for bit in 0..prefix.len as usize {
        let mask = 0x80 >> (bit % 8);
        data[bit / 8] = data[bit / 8] & !mask | prefix.data[bit / 8] & mask;
    }
    Prefix::new(data.len() as u32 * 8, &data).key()
}
