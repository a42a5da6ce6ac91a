// SPDX-License-Identifier: GPL-2.0
//! Lookups against other crates on the tables and keys of the in-kernel benchmark: same rows, same
//! order of insertion, same probes. A crate that gives a different answer ends the run.
//!
//! The crates take turns, in ROUNDS rounds (default 1). BENCH_ONLY selects tables.
//! `scripts/bench-core` runs this and reads what criterion writes: groups are `workload/round`,
//! functions `crate/entries`.

mod peers;
mod support;

use criterion::{
    criterion_group, criterion_main,
    measurement::{Measurement, ValueFormatter, WallTime},
    BenchmarkId, Criterion, Throughput,
};
use std::{env, time::Duration};
use support::{clock, table};

/// CPU time of this thread, in nanoseconds.
struct CpuTime;

impl Measurement for CpuTime {
    type Intermediate = u64;
    type Value = u64;

    fn start(&self) -> u64 {
        clock::now()
    }

    fn end(&self, start: u64) -> u64 {
        clock::now() - start
    }

    fn add(&self, a: &u64, b: &u64) -> u64 {
        a + b
    }

    fn zero(&self) -> u64 {
        0
    }

    fn to_f64(&self, value: &u64) -> f64 {
        *value as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        // Which also formats nanoseconds.
        WallTime.formatter()
    }
}

fn rounds() -> usize {
    let rounds = env::var("ROUNDS").unwrap_or("1".into());
    rounds.parse().expect("ROUNDS is a number")
}

fn measure<const N: usize>(
    criterion: &mut Criterion<CpuTime>,
    table: &table::Table<N>,
    mut crates: peers::Crates<N>,
) {
    for round in 1..=rounds() {
        for (workload, probes) in &table.probes {
            let mut group = criterion.benchmark_group(format!("{workload}/{round}"));
            group.throughput(Throughput::Elements(probes.len() as u64));
            let expected = crates[0].1(probes);
            for (name, lookup) in &crates {
                assert_eq!(lookup(probes), expected, "{name} finds the same values");
                let id = BenchmarkId::new(*name, table.rows.len());
                group.bench_function(id, |bencher| bencher.iter(|| lookup(probes)));
            }
            group.finish();
        }
        crates.rotate_left(1);
    }
}

/// Skips tables without probes, which are for other measurements.
fn measure_all<const N: usize>(
    criterion: &mut Criterion<CpuTime>,
    crates: fn(&peers::Rows<N>) -> peers::Crates<N>,
) {
    for table in table::tables(&table::archive()) {
        if !table.probes.is_empty() {
            measure(criterion, &table, crates(&table.shuffled()));
        }
    }
}

fn lookup(criterion: &mut Criterion<CpuTime>) {
    measure_all(criterion, peers::ipv6);
    measure_all(criterion, peers::u64_crates);
    measure_all(criterion, peers::ipv4);
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .with_measurement(CpuTime)
        .sample_size(10)
        .nresamples(2_000)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_secs(1));
    targets = lookup
}
criterion_main!(benches);
