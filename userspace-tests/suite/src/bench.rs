// SPDX-License-Identifier: MIT OR Apache-2.0
//! Times, for both types, batch updates that fill a map with the IPv4 BGP table, lookups
//! in it by a program (bpf/bench.bpf.c), and batch deletions. Lookups and deletions are in
//! random order; the time of a lookup includes the loop and the load of the key.
//!
//! Prints lines in the form that bench/report.py reads. Under scripts/vm --icount, what
//! it reports are instructions.

use std::{
    env,
    os::fd::{AsFd, OwnedFd},
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use lpm_mtrie::{Loader, Object, Program};
use raw_bpf::{
    RawMap,
    sys::prog::{TestRun, test_run},
};
use serde_json::json;

use crate::{
    arch,
    harness::Type,
    maps::{self, Shape},
    model::ANY,
    objects,
    random::Random,
    routes,
};

/// Must match bpf/bench.bpf.c. The verifier walks through each lookup of a run, and its log is
/// limited.
const ADDRESSES: usize = 65536;
const LOOKUPS: u32 = 128;

/// Runs that look up each address once.
const RUNS: u32 = ADDRESSES as u32 / LOOKUPS;
const ROUNDS: usize = 5;
const BATCH: usize = 1 << 14;

type Elements = Vec<(Vec<u8>, Vec<u8>)>;

/// A filled map and the program that reads it.
struct Subject {
    name: &'static str,
    map: RawMap<OwnedFd>,
    _object: Object,
    program: Program,
    /// Nanoseconds per entry.
    update: f64,
    /// Nanoseconds per lookup, by round.
    lookup: Vec<f64>,
    /// Nanoseconds per entry.
    delete: f64,
}

impl Subject {
    fn new(name: &'static str, on: Type, routes: &Elements, addresses: &Elements) -> Result<Self> {
        let shape = Shape {
            max_entries: routes.len() as u32,
            ..maps::IPV4
        };
        let map = maps::create(on, shape)?;
        let update = time_per(routes.len(), || fill(&map, routes))?;
        let object = Loader::new()
            .lpm_type(on.map_type())
            .reuse("lpm", map.fd().try_clone_to_owned()?)
            .load(objects::BENCH)?;
        fill(&RawMap::new(object.map("addresses")?.fd())?, addresses)?;
        Ok(Self {
            name,
            program: object.load_program("look_up")?,
            map,
            _object: object,
            update,
            lookup: Vec::new(),
            delete: 0.0,
        })
    }

    /// Looks up each address once; returns the sum of the last values.
    fn round(&mut self) -> Result<u32> {
        let run = TestRun {
            data: &[0; 64],
            ctx: &[],
            repeat: RUNS,
        };
        let result = test_run(self.program.as_fd(), &run).context("BPF_PROG_TEST_RUN")?;
        self.lookup
            .push(f64::from(result.duration) / f64::from(LOOKUPS));
        Ok(result.retval)
    }

    fn empty(&mut self, keys: &[Vec<u8>]) -> Result<()> {
        self.delete = time_per(keys.len(), || {
            for keys in keys.chunks(BATCH) {
                self.map.delete_batch(keys).result.context("empty a map")?;
            }
            Ok(())
        })?;
        Ok(())
    }

    fn print(&mut self, entries: usize) {
        self.lookup.sort_by(f64::total_cmp);
        self.print_row("bgp4-prefix", "program_lookup", entries, &self.lookup);
        self.print_row("bgp4", "update_batch", entries, &[self.update]);
        self.print_row("bgp4", "delete_batch", entries, &[self.delete]);
    }

    /// `times` are sorted.
    fn print_row(&self, workload: &str, op: &str, entries: usize, times: &[f64]) {
        let counted = env::var_os("LPM_MTRIE_ICOUNT").is_some();
        let row = json!({
            "workload": workload,
            "op": op,
            "entries": entries,
            "map": self.name,
            "engine": arch::engine(),
            "cpus": 1,
            "unit": if counted { "instructions" } else { "ns" },
            "median": times[times.len() / 2],
            "min": times[0],
            "max": times[times.len() - 1],
            "runs": times.len(),
        });
        println!("LPM_BENCH {row}");
    }
}

pub fn run() -> Result<()> {
    let text = routes::table()?;
    let mut random = Random::new(1);
    let mut table = Elements::new();
    for (line, value) in routes::lines(&text, 4).into_iter().zip(1..) {
        table.push((routes::key(line)?, maps::value(value)));
    }
    let addresses: Elements = (0..ADDRESSES as u32)
        .map(|i| {
            let address = routes::address_below(&random.pick(&table).0, &mut random);
            (i.to_ne_bytes().to_vec(), address)
        })
        .collect();
    let mut subjects = [
        Subject::new("lpm_trie", Type::lpm_trie(), &table, &addresses)?,
        Subject::new("lpm_mtrie", Type::lpm_mtrie()?, &table, &addresses)?,
    ];
    for round in 0..ROUNDS {
        let (first, second) = (round % 2, 1 - round % 2);
        let sums = (subjects[first].round()?, subjects[second].round()?);
        ensure!(sums.0 == sums.1, "the types found different values");
    }
    let mut keys: Vec<_> = table.iter().map(|(key, _)| key.clone()).collect();
    keys.sort_by_cached_key(|_| random.next());
    for subject in &mut subjects {
        subject.empty(&keys)?;
        subject.print(table.len());
    }
    Ok(())
}

/// Nanoseconds that `f` takes, divided by `count`.
fn time_per(count: usize, f: impl FnOnce() -> Result<()>) -> Result<f64> {
    let start = Instant::now();
    f()?;
    Ok(start.elapsed().as_nanos() as f64 / count as f64)
}

fn fill<F: AsFd>(map: &RawMap<F>, elements: &Elements) -> Result<()> {
    for elements in elements.chunks(BATCH) {
        map.update_batch(elements, ANY)
            .result
            .context("fill a map")?;
    }
    Ok(())
}
