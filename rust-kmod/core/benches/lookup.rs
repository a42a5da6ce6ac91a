// SPDX-License-Identifier: GPL-2.0
//! Lookups on the routing table named by BGP_TABLE against other crates: same rows, inserted in the
//! same order, same probes, uniform over the covered space. A crate with another answer ends the
//! run.
//!
//! `BGP_TABLE=…/bgpas.lpm cargo bench --bench lookup`

mod peers;
mod support;

use criterion::{criterion_group, criterion_main, Criterion, Throughput};
use std::time::Duration;
use support::table;

/// Probes in an iteration: far more than caches hold.
const PROBES: usize = 500_000;

fn family<const N: usize>(
    criterion: &mut Criterion,
    name: &str,
    table: &table::Table<N>,
    crates: Vec<(&'static str, peers::Lookup<N>)>,
) {
    let probes = table.probes(PROBES);
    let expected = crates[0].1(&probes);
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(PROBES as u64));
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(3));
    for (name, lookup) in &crates {
        assert_eq!(lookup(&probes), expected, "{name} finds the same values");
        group.bench_function(*name, |bencher| bencher.iter(|| lookup(&probes)));
    }
    group.finish();
}

fn lookup(criterion: &mut Criterion) {
    let (v4, v6) = table::load();
    family(criterion, "lookup/bgp4", &v4, peers::ipv4(&v4));
    family(criterion, "lookup/bgp6", &v6, peers::ipv6(&v6));
}

criterion_group!(benches, lookup);
criterion_main!(benches);
