// SPDX-License-Identifier: MIT OR Apache-2.0
//! The fuzzer: random calls and random programs on maps of the type, each compared with a model.
//! src/fuzz/ has its parts.
//!
//! The seed is new in every run and printed; LPM_MTRIE_SEED repeats one. LPM_MTRIE_FUZZ_SECONDS
//! sets a duration instead of a fixed number of rounds, which LPM_MTRIE_STEPS reduces for slow
//! debug kernels.

use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use crate::{
    check,
    fuzz::{calls::Calls, life, programs, target::Target},
    harness::{Test, Type},
    random::{self, Random},
};

pub const TESTS: &[Test] = &[Test::mtrie("fuzz", fuzz)];

/// The fewest with which every kind of call is still both accepted and refused.
const LEAST_ROUNDS: u64 = 10;
/// How many of LPM_MTRIE_STEPS make a round.
const STEPS_PER_ROUND: u64 = 25;
const CALLS: usize = 200;
const PROGRAMS: usize = 10;
const LIVES: usize = 20;

fn fuzz(on: Type) -> Result<()> {
    let seed = random::seed()?;
    let seconds = random::number("LPM_MTRIE_FUZZ_SECONDS")?.map(Duration::from_secs);
    println!("seed {seed}");
    let bound = LEAST_ROUNDS.max(random::steps()? as u64 / STEPS_PER_ROUND);
    let start = Instant::now();
    let mut calls = Calls::new()?;
    let mut rounds = 0;
    while seconds.map_or(rounds < bound, |seconds| start.elapsed() < seconds) {
        // To reproduce a failure, its own round is enough.
        let round = seed.wrapping_add(rounds);
        one_round(on, round, &mut calls)
            .with_context(|| format!("LPM_MTRIE_SEED={round}\n{}", calls.tally))?;
        rounds += 1;
    }
    print!("    {rounds} rounds\n{}    ", calls.tally);
    io::stdout().flush()?;
    for what in ["update", "delete", "lookup", "get_next_key", "create"] {
        let (good, refused) = calls.tally.of(what);
        check::holds(good > 0 && refused > 0, &format!("{what}: both results"))?;
    }
    let (accepted, _) = calls.tally.of("valid program");
    let (_, refused) = calls.tally.of("flawed program");
    check::holds(accepted > 0 && refused > 0, "programs of both kinds")
}

fn one_round(on: Type, seed: u64, calls: &mut Calls) -> Result<()> {
    let mut random = Random::new(seed);
    calls.next_round()?;
    let mut target = Target::new(on, &mut random)?;
    for step in 0..CALLS {
        calls
            .throw(&mut random, &mut target)
            .with_context(|| format!("call {step} on {:?}", target.shape))?;
        if step % 20 == 19 {
            target
                .check()
                .with_context(|| format!("after call {step}"))?;
        }
    }
    let mut target = Target::of_shape(on, programs::SHAPE, &mut random)?;
    for step in 0..PROGRAMS {
        programs::throw(&mut random, &mut target, &mut calls.tally)
            .with_context(|| format!("program {step}"))?;
    }
    for step in 0..LIVES {
        life::throw(on, &mut random, &mut target, &mut calls.tally)
            .with_context(|| format!("call {step} on whole maps"))?;
    }
    target.check().context("at the end of a round")
}
