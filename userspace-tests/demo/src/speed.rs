// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lookups by a program, bpf/look_up.bpf.c, of addresses within prefixes of the table, each prefix
//! equally likely. The two types take turns. The time of a lookup includes the loop around it.

use std::{os::fd::AsFd, time::Duration};

use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use lpm_mtrie::{Loader, Object, Program};
use raw_bpf::{
    RawMap,
    sys::prog::{TestRun, test_run},
};

use crate::{
    compare::address_within,
    origin_map::OriginMap,
    prefix_set::PrefixSet,
    progress::{Progress, Style},
    turns::{Work, in_turns},
};

const ELF: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/look_up.bpf.o"));

/// Mirrored in bpf/look_up.bpf.c.
const ADDRESSES: usize = 65536;
const LOOKUPS: u32 = 128;
const KEY_SIZE: usize = 20;

const ROUNDS: usize = 5;

struct Subject {
    name: String,
    program: Program,
    object: Object,
}

impl Subject {
    fn new(map: &OriginMap, addresses: &[u8]) -> Result<Self> {
        let object = Loader::new()
            .reuse("prefixes", map.try_clone_fd()?)
            .load(ELF)
            .context("load the BPF object")?;
        let indices: Vec<u8> = (0..ADDRESSES as u32).flat_map(u32::to_ne_bytes).collect();
        let filled =
            RawMap::new(object.map("addresses")?.fd())?.update_batch_packed(&indices, addresses, 0);
        filled.result.context("fill the array of addresses")?;
        Ok(Self {
            name: map.name(),
            program: object.load_program("look_up")?,
            object,
        })
    }

    /// Looks up each address once.
    fn round(&self) -> Result<Work> {
        let run = TestRun {
            data: &[0; 64],
            ctx: &[],
            repeat: ADDRESSES as u32 / LOOKUPS,
        };
        let result = test_run(self.program.as_fd(), &run).context("BPF_PROG_TEST_RUN")?;
        Ok(Work {
            elements: ADDRESSES,
            // The kernel returns the mean of all runs.
            time: Duration::from_nanos(result.duration.into()) * run.repeat,
        })
    }

    /// The sum of all values found, `struct state` of the program.
    fn sum(&self) -> Result<u64> {
        let state = RawMap::new(self.object.map("state")?.fd())?.lookup(&[0; 4], 0)?;
        let sum = state.last_chunk().context("a state without a sum")?;
        Ok(u64::from_ne_bytes(*sum))
    }
}

/// The lookups of all rounds, in each of two maps with the prefixes of `set`.
pub fn measure(
    maps: [&OriginMap; 2],
    set: &PrefixSet,
    seed: u64,
    style: Style,
) -> Result<[Work; 2]> {
    let family = maps[0].family;
    let mut rng = Rng::with_seed(seed);
    let mut addresses = Vec::with_capacity(ADDRESSES * KEY_SIZE);
    let mut expected = 0u64;
    for index in 1..=ADDRESSES {
        let addr = address_within(&mut rng, family, set);
        let value = set.longest_match(addr).map_or(0, |entry| entry.value);
        expected = expected.wrapping_add(value.wrapping_mul(ROUNDS as u64));
        addresses.extend_from_slice(family.key(addr, family.bits()).as_bytes());
        addresses.resize(index * KEY_SIZE, 0);
    }

    let subject = |map| Subject::new(map, &addresses);
    let subjects = [subject(maps[0])?, subject(maps[1])?];
    let what = format!("{} lookups", family.name());
    let progress = Progress::new(style, what, "by a program", 2 * ROUNDS * ADDRESSES);
    progress.part("by a program");
    let work = in_turns(subjects.each_ref().map(|subject| {
        let mut rounds = 0..ROUNDS;
        let progress = &progress;
        move || {
            if rounds.next().is_none() {
                return Ok(None);
            }
            let work = subject.round()?;
            progress.advance(work.elements);
            Ok(Some(work))
        }
    }))?;
    for subject in &subjects {
        let sum = subject.sum()?;
        ensure!(
            sum == expected,
            "the program found values in {} whose sum is {sum}, not {expected} (repeat this with --seed {seed})",
            subject.name
        );
    }
    Ok(work)
}
