// SPDX-License-Identifier: GPL-2.0
//! The crates that one would choose from, each loaded with the same rows and asked for the same
//! addresses.

use super::support::fixture::Mtrie;
use ip_network_table_deps_treebitmap::IpLookupTable;
use iptrie::{map::RTrieMap, Ipv4Prefix, Ipv6Prefix};
use poptrie::Poptrie;
use prefix_trie::PrefixMap;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Looks up all addresses, and returns the exclusive or of the values found.
pub type Lookup<const N: usize> = Box<dyn Fn(&[[u8; N]]) -> u64>;

/// `(prefixlen, data, value)` of each row.
pub type Rows<const N: usize> = [(u32, [u8; N], u64)];

/// By name.
pub type Crates<const N: usize> = Vec<(&'static str, Lookup<N>)>;

fn all<const N: usize>(lookup: impl Fn(&[u8; N]) -> Option<u64> + 'static) -> Lookup<N> {
    Box::new(move |probes| {
        probes
            .iter()
            .fold(0, |sum, key| sum ^ lookup(key).unwrap_or(0))
    })
}

/// Crates whose keys are integers of `$bits` bits. The first is this one. The rows are inserted in random order.
macro_rules! by_integer {
    ($name:ident, $bits:literal, $int:ty) => {
        pub fn $name(rows: &Rows<{ $bits / 8 }>) -> Crates<{ $bits / 8 }> {
            let mtrie = Mtrie::of(rows);
            let prefix = |(len, data, value): &(u32, _, u64)| {
                ((<$int>::from_be_bytes(*data), *len as u8), *value)
            };
            let prefix_map: PrefixMap<($int, u8), u64> = rows.iter().map(prefix).collect();
            let poptrie: Poptrie<($int, u8), u64> = rows.iter().map(prefix).collect();
            let by_int = move |key: &[u8; $bits / 8]| (<$int>::from_be_bytes(*key), $bits);
            vec![
                ("lpm-mtrie-core", all(move |key| mtrie.lookup(key))),
                (
                    "prefix-trie",
                    all(move |key| prefix_map.get_lpm(&by_int(key)).map(|found| *found.1)),
                ),
                (
                    "poptrie",
                    all(move |key| poptrie.lookup(by_int(key).0).copied()),
                ),
            ]
        }
    };
}

/// The same, and the crates that know only families of addresses, as `$addr` and `$prefix`.
macro_rules! family {
    ($name:ident, $by_integer:ident, $bits:literal, $addr:ty, $prefix:ty) => {
        pub fn $name(rows: &Rows<{ $bits / 8 }>) -> Crates<{ $bits / 8 }> {
            let mut treebitmap = IpLookupTable::<$addr, u64>::new();
            let mut radix = RTrieMap::<$prefix, u64>::with_root(0);
            for (len, data, value) in rows {
                treebitmap.insert((*data).into(), *len, *value);
                let prefix = <$prefix>::new((*data).into(), *len as u8).expect("a valid length");
                radix.insert(prefix, *value);
            }
            let mut crates = $by_integer(rows);
            crates.push((
                "treebitmap",
                all(move |key| {
                    treebitmap
                        .longest_match((*key).into())
                        .map(|found| *found.2)
                }),
            ));
            crates.push((
                "iptrie",
                all(move |key| Some(*radix.lookup(&<$addr>::from(*key)).1)),
            ));
            crates
        }
    };
}

by_integer!(u32_crates, 32, u32);
by_integer!(u64_crates, 64, u64);
by_integer!(u128_crates, 128, u128);
family!(ipv4, u32_crates, 32, Ipv4Addr, Ipv4Prefix);
family!(ipv6, u128_crates, 128, Ipv6Addr, Ipv6Prefix);
