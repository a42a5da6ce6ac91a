// SPDX-License-Identifier: GPL-2.0
//! Loads the routing tables in the archive named by BENCH_TABLES and prints their costs: bytes by
//! size class, and nanoseconds of this thread's CPU time by operation.
//!
//! `BENCH_TABLES=$(scripts/inputs/bench-tables) cargo run --release --example table`

#[path = "../benches/support/mod.rs"]
mod support;

use std::hint::black_box;
use support::{clock, fixture::Mtrie, table};

const MISSES: usize = 500_000;

fn time(what: &str, operations: u64, work: impl FnOnce()) {
    let start = clock::now();
    work();
    println!(
        "  {what:<22} {:8.1} ns",
        (clock::now() - start) as f64 / operations as f64
    );
}

fn measure<const N: usize>(table: &table::Table<N>) {
    let rows = table.shuffled();
    let mut mtrie = Mtrie::new(N as u16);
    println!("{}: {} rows", table.name, rows.len());
    time("insert, random order", rows.len() as u64, || {
        for (len, data, value) in &rows {
            mtrie.insert(*len, data, *value);
        }
    });
    let (len, bytes) = (mtrie.trie.len(), mtrie.trie.bytes());
    println!(
        "  entries {len}, bytes {bytes}, {:.2} per entry",
        bytes as f64 / len as f64
    );
    for (class, blocks) in mtrie.slab.usage() {
        println!(
            "    class {class:5}: {blocks:8} blocks, {:6.2} bytes per entry",
            (class as i64 * blocks) as f64 / len as f64
        );
    }
    for (workload, probes) in &table.probes {
        time(&format!("lookup, {workload}"), probes.len() as u64, || {
            let hits = probes
                .iter()
                .filter_map(|key| mtrie.lookup(black_box(key)))
                .fold(0, |sum: u64, value| sum ^ value);
            black_box(hits);
        });
    }
    let mut random = table::Random(3);
    let misses: Vec<[u8; N]> = (0..MISSES)
        .map(|_| std::array::from_fn(|_| random.next() as u8))
        .collect();
    time("lookup, whole space", MISSES as u64, || {
        black_box(
            misses
                .iter()
                .filter(|key| mtrie.lookup(black_box(key)).is_some())
                .count(),
        );
    });
    time("replace", rows.len() as u64, || {
        for (len, data, value) in &rows {
            mtrie.insert(*len, data, *value);
        }
    });
    time("next", len, || {
        assert_eq!(mtrie.walk::<N>(), len, "the walk visits each entry once")
    });
    let half = rows.len() / 2;
    time("remove, random order", half as u64, || {
        for (len, data, _) in &rows[..half] {
            mtrie.remove(*len, data);
        }
    });
    let left = mtrie.trie.len();
    println!(
        "  entries {left}, bytes per entry {:.2}",
        mtrie.trie.bytes() as f64 / left as f64
    );
    let mut longest = 0;
    time("clear", left, || longest = mtrie.clear());
    println!("  {:<22} {longest:8} ns", "between two pauses");
}

fn main() {
    let archive = table::archive();
    // The first one of either family is the routing table.
    for table in table::tables::<4>(&archive).iter().take(1) {
        measure(table);
    }
    for table in table::tables::<16>(&archive).iter().take(1) {
        measure(table);
    }
}
