// SPDX-License-Identifier: GPL-2.0
//! The tables of the in-kernel benchmark, with the keys that it looks up, from the cpio archive
//! named by BENCH_TABLES, which `scripts/inputs/bench-tables` makes. bench/table.c describes their
//! format.

use std::{env, fs, process};

/// `(prefixlen, data)`.
type Key<const N: usize> = (u32, [u8; N]);

/// A table with keys of `N` bytes of data.
pub struct Table<const N: usize> {
    pub name: String,
    /// `(prefixlen, data, value)`, in the table's own order; values count from 1.
    pub rows: Vec<(u32, [u8; N], u64)>,
    /// Keys to look up, by workload.
    pub probes: Vec<(String, Vec<[u8; N]>)>,
}

/// The content of the archive; ends the process with a message if there is none.
pub fn archive() -> Vec<u8> {
    let Some(path) = env::var_os("BENCH_TABLES") else {
        eprintln!("BENCH_TABLES is not set: name the file that scripts/inputs/bench-tables prints");
        process::exit(2);
    };
    fs::read(&path).unwrap_or_else(|error| {
        eprintln!("{}: {error}", path.display());
        process::exit(2);
    })
}

/// The tables with keys of `N` bytes, in the archive's order. BENCH_ONLY, a comma-separated list of
/// names, selects some.
pub fn tables<const N: usize>(archive: &[u8]) -> Vec<Table<N>> {
    let only = env::var("BENCH_ONLY").unwrap_or_default();
    let chosen =
        |table: &Table<N>| only.is_empty() || only.split(',').any(|name| name == table.name);
    files(archive).filter_map(parse).filter(chosen).collect()
}

/// The contents of the files of an archive in "newc" format.
fn files(mut archive: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let field = |at: usize| {
            let digits = std::str::from_utf8(archive.get(at..at + 8)?).ok()?;
            usize::from_str_radix(digits, 16).ok()
        };
        let (size, name_size) = (field(54)?, field(94)?);
        let begin = (110 + name_size).next_multiple_of(4);
        let file = archive.get(begin..begin + size)?;
        archive = &archive[(begin + size).next_multiple_of(4).min(archive.len())..];
        Some(file)
    })
}

/// `None` if it is no table, or one with other keys.
fn parse<const N: usize>(file: &[u8]) -> Option<Table<N>> {
    let mut at = file;
    let (magic, key_size, lists) = (number(&mut at)?, number(&mut at)?, number(&mut at)?);
    if magic != u32::from_le_bytes(*b"LPM1") || key_size as usize != 4 + N {
        return None;
    }
    let mut lists = (0..lists).map_while(|_| list(&mut at));
    let (name, rows) = lists.next()?;
    let rows = (1..)
        .zip(rows)
        .map(|(value, (len, data))| (len, data, value));
    let addresses = |(name, keys): (String, Vec<Key<N>>)| {
        (name, keys.into_iter().map(|(_, data)| data).collect())
    };
    Some(Table {
        name,
        rows: rows.collect(),
        probes: lists.map(addresses).collect(),
    })
}

/// A name and its keys.
fn list<const N: usize>(at: &mut &[u8]) -> Option<(String, Vec<Key<N>>)> {
    let name = at.split_off(..24)?.split(|byte| *byte == 0).next()?;
    let count = number(at)? as usize;
    // Keys are padded to 4 bytes.
    let stride = (4 + N).next_multiple_of(4);
    let keys = at.split_off(..count * stride)?.chunks_exact(stride);
    let key = |mut key: &[u8]| Some((number(&mut key)?, key.get(..N)?.try_into().ok()?));
    Some((
        String::from_utf8_lossy(name).into_owned(),
        keys.filter_map(key).collect(),
    ))
}

fn number(at: &mut &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(at.split_off(..4)?.try_into().ok()?))
}

/// A small generator, so that all runs see the same order.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl<const N: usize> Table<N> {
    /// The rows in random order.
    pub fn shuffled(&self) -> Vec<(u32, [u8; N], u64)> {
        let mut rows = self.rows.clone();
        let mut random = Random(2);
        for i in (1..rows.len()).rev() {
            rows.swap(i, random.next() as usize % (i + 1));
        }
        rows
    }
}
