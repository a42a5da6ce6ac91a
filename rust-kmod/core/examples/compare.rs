// SPDX-License-Identifier: GPL-2.0
//! A quick comparison with other crates, for machines where other things run: rounds are
//! interleaved, time is this thread's CPU time, and the least and the median round are printed.
//! `benches/lookup.rs` is the thorough one.
//!
//! `BGP_TABLE=…/bgpas.lpm cargo run --release --example compare`

#[path = "../benches/peers/mod.rs"]
mod peers;
#[path = "../benches/support/mod.rs"]
mod support;

use support::{clock, table};

const ROUNDS: usize = 15;
const PROBES: usize = 200_000;

fn family<const N: usize>(table: &table::Table<N>, crates: Vec<(&'static str, peers::Lookup<N>)>) {
    let probes = table.probes(ROUNDS * PROBES);
    let mut times = vec![Vec::new(); crates.len()];
    for probes in probes.chunks(PROBES) {
        let expected = crates[0].1(probes);
        for ((name, lookup), times) in crates.iter().zip(&mut times) {
            let start = clock::now();
            let found = lookup(probes);
            times.push((clock::now() - start) as f64 / PROBES as f64);
            assert_eq!(found, expected, "{name} finds the same values");
        }
    }
    println!("{} lookups, ns:       least  median", table.name);
    for ((name, _), times) in crates.iter().zip(&mut times) {
        times.sort_by(f64::total_cmp);
        println!("  {name:<22} {:7.1} {:7.1}", times[0], times[ROUNDS / 2]);
    }
}

fn main() {
    let (v4, v6) = table::load();
    family(&v4, peers::ipv4(&v4));
    family(&v6, peers::ipv6(&v6));
}
