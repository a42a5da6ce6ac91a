// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reproducible random numbers: SplitMix64 (Steele, Lea, Flood: "Fast splittable
//! pseudorandom number generators", 2014). A failure names its seed.
//!
//! Each run has a new seed unless LPM_MTRIE_SEED is set. LPM_MTRIE_STEPS sets the
//! length of random tests, which should be less on slow debug kernels.

use std::{
    env,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};

/// The seed of this run, from the environment or the time.
pub fn seed() -> Result<u64> {
    match number("LPM_MTRIE_SEED")? {
        Some(seed) => Ok(seed),
        None => Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos() as u64),
    }
}

/// Default number of steps of a random test.
const STEPS: usize = 1000;

/// Number of steps of a random test.
pub fn steps() -> Result<usize> {
    Ok(number("LPM_MTRIE_STEPS")?.map_or(STEPS, |steps| steps as usize))
}

/// The number in an environment variable, if it is set.
pub fn number(name: &str) -> Result<Option<u64>> {
    env::var(name)
        .ok()
        .map(|text| {
            text.parse()
                .with_context(|| format!("{name} is not a number"))
        })
        .transpose()
}

pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `limit`, which is small, so that the bias does not matter.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// One of `choices`, which is not empty.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}
