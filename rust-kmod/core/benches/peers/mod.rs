// SPDX-License-Identifier: GPL-2.0
//! The crates that people would pick, each loaded with the same rows and asked the same addresses.

use super::support::{
    fixture::Mtrie,
    table::{canonical, Table},
};
use ip_network_table_deps_treebitmap::IpLookupTable;
use iptrie::{map::RTrieMap, Ipv4Prefix, Ipv6Prefix};
use poptrie::Poptrie;
use prefix_trie::PrefixMap;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Looks all addresses up, and returns the exclusive or of the values found.
pub type Lookup<const N: usize> = Box<dyn Fn(&[[u8; N]]) -> u64>;

fn all<const N: usize>(lookup: impl Fn(&[u8; N]) -> Option<u64> + 'static) -> Lookup<N> {
    Box::new(move |probes| {
        probes
            .iter()
            .fold(0, |sum, key| sum ^ lookup(key).unwrap_or(0))
    })
}

fn mtrie<const N: usize>(rows: &[(u32, [u8; N], u64)], direct: bool) -> Lookup<N> {
    let mtrie = Mtrie::of(rows, direct);
    all(move |key| mtrie.lookup(key))
}

/// The rows in random order, without host bits, which some crates refuse.
fn rows<const N: usize>(table: &Table<N>) -> Vec<(u32, [u8; N], u64)> {
    table
        .shuffled()
        .into_iter()
        .map(|(len, data, value)| (len, canonical(len, &data), value))
        .collect()
}

/// `(name, lookup)` of every crate; the first two are this one, with a directly indexed root, as
/// for maps made for many entries, and without.
pub fn ipv4(table: &Table<4>) -> Vec<(&'static str, Lookup<4>)> {
    let rows = rows(table);
    let addr = |data: &[u8; 4]| u32::from_be_bytes(*data);
    let mut prefix_map = PrefixMap::<(u32, u8), u64>::new();
    let mut treebitmap = IpLookupTable::<Ipv4Addr, u64>::new();
    let mut radix = RTrieMap::<Ipv4Prefix, u64>::with_root(0);
    for (len, data, value) in &rows {
        prefix_map.insert((addr(data), *len as u8), *value);
        treebitmap.insert(Ipv4Addr::from(*data), *len, *value);
        radix.insert(
            Ipv4Prefix::new((*data).into(), *len as u8).expect("a valid length"),
            *value,
        );
    }
    let poptrie: Poptrie<(u32, u8), u64> = rows
        .iter()
        .map(|(len, data, value)| ((addr(data), *len as u8), *value))
        .collect();
    vec![
        ("lpm-mtrie-core", mtrie(&rows, true)),
        ("lpm-mtrie-core-small", mtrie(&rows, false)),
        (
            "prefix-trie",
            all(move |key| prefix_map.get_lpm(&(addr(key), 32)).map(|found| *found.1)),
        ),
        (
            "treebitmap",
            all(move |key| {
                treebitmap
                    .longest_match(Ipv4Addr::from(*key))
                    .map(|found| *found.2)
            }),
        ),
        (
            "iptrie",
            all(move |key| Some(*radix.lookup(&Ipv4Addr::from(*key)).1)),
        ),
        (
            "poptrie",
            all(move |key| poptrie.lookup(addr(key)).copied()),
        ),
    ]
}

/// As [`ipv4`].
pub fn ipv6(table: &Table<16>) -> Vec<(&'static str, Lookup<16>)> {
    let rows = rows(table);
    let addr = |data: &[u8; 16]| u128::from_be_bytes(*data);
    let mut prefix_map = PrefixMap::<(u128, u8), u64>::new();
    let mut treebitmap = IpLookupTable::<Ipv6Addr, u64>::new();
    let mut radix = RTrieMap::<Ipv6Prefix, u64>::with_root(0);
    for (len, data, value) in &rows {
        prefix_map.insert((addr(data), *len as u8), *value);
        treebitmap.insert(Ipv6Addr::from(*data), *len, *value);
        radix.insert(
            Ipv6Prefix::new((*data).into(), *len as u8).expect("a valid length"),
            *value,
        );
    }
    let poptrie: Poptrie<(u128, u8), u64> = rows
        .iter()
        .map(|(len, data, value)| ((addr(data), *len as u8), *value))
        .collect();
    vec![
        ("lpm-mtrie-core", mtrie(&rows, true)),
        ("lpm-mtrie-core-small", mtrie(&rows, false)),
        (
            "prefix-trie",
            all(move |key| prefix_map.get_lpm(&(addr(key), 128)).map(|found| *found.1)),
        ),
        (
            "treebitmap",
            all(move |key| {
                treebitmap
                    .longest_match(Ipv6Addr::from(*key))
                    .map(|found| *found.2)
            }),
        ),
        (
            "iptrie",
            all(move |key| Some(*radix.lookup(&Ipv6Addr::from(*key)).1)),
        ),
        (
            "poptrie",
            all(move |key| poptrie.lookup(addr(key)).copied()),
        ),
    ]
}
