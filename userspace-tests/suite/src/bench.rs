// SPDX-License-Identifier: MIT OR Apache-2.0
//! Times lookups by a program (bpf/bench.bpf.c) in the IPv4 BGP table, alternately in
//! LPM_TRIE and LPM_MTRIE. Each prefix is equally likely. The time of a lookup
//! includes the loop and the load of the key.
//!
//! Prints a line for each type, in the form that bench/report.py reads.

use std::os::fd::AsFd;

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
    _object: Object,
    program: Program,
    /// Nanoseconds per lookup, by round.
    times: Vec<f64>,
}

impl Subject {
    fn new(name: &'static str, on: Type, routes: &Elements, addresses: &Elements) -> Result<Self> {
        let shape = Shape {
            max_entries: routes.len() as u32,
            ..maps::IPV4
        };
        let map = maps::create(on, shape)?;
        fill(&map, routes)?;
        let object = Loader::new()
            .lpm_type(on.map_type())
            .reuse("lpm", map.fd().try_clone_to_owned()?)
            .load(objects::BENCH)?;
        fill(&RawMap::new(object.map("addresses")?.fd())?, addresses)?;
        Ok(Self {
            name,
            program: object.load_program("look_up")?,
            _object: object,
            times: Vec::new(),
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
        self.times
            .push(f64::from(result.duration) / f64::from(LOOKUPS));
        Ok(result.retval)
    }

    fn print(&mut self, entries: usize) {
        self.times.sort_by(f64::total_cmp);
        let row = json!({
            "workload": "bgp4-prefix",
            "op": "program_lookup",
            "entries": entries,
            "map": self.name,
            "engine": arch::engine(),
            "cpus": 1,
            "unit": "ns",
            "median": self.times[self.times.len() / 2],
            "min": self.times[0],
            "max": self.times[self.times.len() - 1],
            "runs": self.times.len(),
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
    subjects
        .iter_mut()
        .for_each(|subject| subject.print(table.len()));
    Ok(())
}

fn fill<F: AsFd>(map: &RawMap<F>, elements: &Elements) -> Result<()> {
    for elements in elements.chunks(BATCH) {
        map.update_batch(elements, ANY)
            .result
            .context("fill a map")?;
    }
    Ok(())
}
