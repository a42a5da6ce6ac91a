// SPDX-License-Identifier: GPL-2.0
//! The routing table (a text file of `address/len AS` lines, named by BGP_TABLE), and random
//! addresses in the space it covers.

use std::{env, fs, net::IpAddr, process};

/// One family of the table.
pub struct Table<const N: usize> {
    pub name: &'static str,
    pub rows: Vec<(u32, [u8; N], u64)>,
}

/// Both families, in the file's order, without repeated prefixes; ends the process with a message
/// where there is no file.
pub fn load() -> (Table<4>, Table<16>) {
    let Some(path) = env::var_os("BGP_TABLE") else {
        eprintln!(
            "BGP_TABLE is not set: name a file of `address/len AS` lines, such as \
             benches/bgpas.lpm of the crate iptrie"
        );
        process::exit(2);
    };
    let text = fs::read_to_string(&path).unwrap_or_else(|error| {
        eprintln!("{}: {error}", path.display());
        process::exit(2);
    });
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let parsed = line.split_once(' ').and_then(|(prefix, asn)| {
            let (address, len) = prefix.split_once('/')?;
            Some((
                address.parse().ok()?,
                len.parse().ok()?,
                asn.trim().parse().ok()?,
            ))
        });
        match parsed {
            Some((IpAddr::V4(address), len, asn)) => v4.push((len, address.octets(), asn)),
            Some((IpAddr::V6(address), len, asn)) => v6.push((len, address.octets(), asn)),
            None => {}
        }
    }
    (
        Table {
            name: "IPv4",
            rows: v4,
        },
        Table {
            name: "IPv6",
            rows: v6,
        },
    )
}

/// A small generator, so that all runs and all peers see the same probes.
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
    /// `count` random addresses, each within a random prefix of the table.
    pub fn probes(&self, count: usize) -> Vec<[u8; N]> {
        let mut random = Random(1);
        (0..count)
            .map(|_| {
                let (len, data, _) = self.rows[random.next() as usize % self.rows.len()];
                let noise =
                    (u128::from(random.next()) << 64 | u128::from(random.next())).to_be_bytes();
                let mut key = data;
                for (i, byte) in key.iter_mut().enumerate() {
                    let fixed = len.saturating_sub(8 * i as u32).min(8);
                    let mask = if fixed == 0 {
                        0xff
                    } else {
                        (0xffu32 >> fixed) as u8
                    };
                    *byte = *byte & !mask | noise[i % 16] & mask;
                }
                key
            })
            .collect()
    }

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

/// `data` without bits beyond `len`.
pub fn canonical<const N: usize>(len: u32, data: &[u8; N]) -> [u8; N] {
    std::array::from_fn(|i| {
        let fixed = len.saturating_sub(8 * i as u32).min(8);
        data[i] & !((0xffu32 >> fixed) as u8)
    })
}
