// SPDX-License-Identifier: GPL-2.0
//! The crates that people would pick, each loaded with the same rows and asked the same addresses.

use super::support::{fixture::Mtrie, table::Table};
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

/// A family of addresses of `$bits` bits, which the crates know as `$int`, `$addr` and `$prefix`.
macro_rules! family {
    ($name:ident, $bits:literal, $int:ty, $addr:ty, $prefix:ty) => {
        /// `(crate, lookup)`; the first is this one. The rows are inserted in random order.
        pub fn $name(table: &Table<{ $bits / 8 }>) -> Vec<(&'static str, Lookup<{ $bits / 8 }>)> {
            let rows = table.shuffled();
            let mtrie = Mtrie::of(&rows);
            let mut prefix_map = PrefixMap::<($int, u8), u64>::new();
            let mut treebitmap = IpLookupTable::<$addr, u64>::new();
            let mut radix = RTrieMap::<$prefix, u64>::with_root(0);
            for (len, data, value) in &rows {
                let len8 = *len as u8;
                prefix_map.insert((<$int>::from_be_bytes(*data), len8), *value);
                treebitmap.insert((*data).into(), *len, *value);
                let prefix = <$prefix>::new((*data).into(), len8).expect("a valid length");
                radix.insert(prefix, *value);
            }
            let poptrie: Poptrie<($int, u8), u64> = rows
                .iter()
                .map(|(len, data, value)| ((<$int>::from_be_bytes(*data), *len as u8), *value))
                .collect();
            let by_int = move |key: &[u8; $bits / 8]| (<$int>::from_be_bytes(*key), $bits);
            vec![
                ("lpm-mtrie-core", all(move |key| mtrie.lookup(key))),
                (
                    "prefix-trie",
                    all(move |key| prefix_map.get_lpm(&by_int(key)).map(|found| *found.1)),
                ),
                (
                    "treebitmap",
                    all(move |key| {
                        treebitmap
                            .longest_match((*key).into())
                            .map(|found| *found.2)
                    }),
                ),
                (
                    "iptrie",
                    all(move |key| Some(*radix.lookup(&<$addr>::from(*key)).1)),
                ),
                (
                    "poptrie",
                    all(move |key| poptrie.lookup(by_int(key).0).copied()),
                ),
            ]
        }
    };
}

family!(ipv4, 32, u32, Ipv4Addr, Ipv4Prefix);
family!(ipv6, 128, u128, Ipv6Addr, Ipv6Prefix);
