// SPDX-License-Identifier: MIT OR Apache-2.0
//! The same random operations on LPM_MTRIE and LPM_TRIE: every return code,
//! every value and the whole walk are the same.
//!
//! The seed is new in every run and printed; LPM_MTRIE_SEED repeats one.
//! LPM_MTRIE_STEPS sets the length of each stream, for kernels that check a lot.

use std::{
    env,
    io::{self, Write},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use libc::ENOMEM;
use lpm_mtrie::RawMap;

use crate::{
    check,
    harness::{Test, Type, Types},
    maps::{self, Shape},
    prefix::Prefix,
    random::Random,
};

pub const TESTS: &[Test] = &[Test {
    name: "differential_against_lpm_trie",
    types: Types::Mtrie,
    run: differential,
}];

const STEPS: usize = 4000;
/// How many times in a stream the whole walks are compared.
const WALKS: usize = 8;

fn differential(on: Type) -> Result<()> {
    let seed = number("LPM_MTRIE_SEED")?.map_or_else(seed_of_now, Ok)?;
    let steps = number("LPM_MTRIE_STEPS")?.map_or(STEPS, |steps| steps as usize);
    print!("seed {seed} ... ");
    io::stdout().flush()?;
    for data in [1, 4, 8, 16, 33, 256] {
        for max_entries in [20, 4096] {
            let shape = Shape {
                data,
                value: 12,
                max_entries,
            };
            one_stream(on, shape, seed, steps)
                .with_context(|| format!("LPM_MTRIE_SEED={seed}, {shape:?}"))?;
        }
    }
    Ok(())
}

/// The number in an environment variable, if that is set.
fn number(name: &str) -> Result<Option<u64>> {
    env::var(name)
        .ok()
        .map(|text| {
            text.parse()
                .with_context(|| format!("{name} is not a number"))
        })
        .transpose()
}

fn seed_of_now() -> Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos() as u64)
}

fn one_stream(on: Type, shape: Shape, seed: u64, steps: usize) -> Result<()> {
    let mtrie = maps::create(on, shape)?;
    let trie = maps::create(Type::lpm_trie(), shape)?;
    let mut random = Random::new(seed ^ u64::from(shape.data) << 32 ^ u64::from(shape.max_entries));
    let mut keys = Keys::new(&mut random, shape.data as usize);
    let walk_every = (steps / WALKS).max(1);
    for step in 0..steps {
        let key = keys.draw(&mut random);
        let why = || format!("step {step}, key {key:?}");
        match random.below(10) {
            0..4 => {
                let value = random.bytes(shape.value as usize);
                // BPF_ANY mostly, the two others, and a flag that is none.
                let flags = [0, 0, 0, 0, 1, 1, 2, 2, 3][random.below(9)];
                same(|map| map.update(&key, &value, flags), &mtrie, &trie)
                    .with_context(|| format!("update, flags {flags}, {}", why()))?;
            }
            4..6 => same(|map| map.delete(&key), &mtrie, &trie)
                .with_context(|| format!("delete, {}", why()))?,
            6..9 => same(|map| map.lookup(&key, 0), &mtrie, &trie)
                .with_context(|| format!("lookup, {}", why()))?,
            _ => same(|map| map.next_key(Some(&key)), &mtrie, &trie)
                .with_context(|| format!("next_key, {}", why()))?,
        }
        if step % walk_every == walk_every - 1 {
            let walk = |map: &RawMap| map.keys(2 * steps);
            same(walk, &mtrie, &trie).with_context(|| format!("walk after step {step}"))?;
        }
    }
    Ok(())
}

fn same<T: PartialEq + std::fmt::Debug>(
    operation: impl Fn(&RawMap) -> io::Result<T>,
    mtrie: &RawMap,
    trie: &RawMap,
) -> Result<()> {
    let errno = |result: io::Result<T>| result.map_err(|error| error.raw_os_error().unwrap_or(0));
    let got = errno(operation(mtrie));
    let mut want = errno(operation(trie));
    // LPM_TRIE allocates from a pool that is refilled behind its back, and
    // may find it empty with all memory free.
    for _ in 0..100 {
        if !matches!(want, Err(ENOMEM)) {
            break;
        }
        thread::sleep(Duration::from_millis(1));
        want = errno(operation(trie));
    }
    check::equal(got, want, "LPM_MTRIE against LPM_TRIE")
}

/// Keys that nest, repeat and branch at every depth: mutations of a few stems.
struct Keys {
    stems: Vec<Vec<u8>>,
}

impl Keys {
    fn new(random: &mut Random, data: usize) -> Self {
        Self {
            stems: (0..4).map(|_| random.bytes(data)).collect(),
        }
    }

    fn draw(&mut self, random: &mut Random) -> Vec<u8> {
        let mut data = self.stems[random.below(self.stems.len())].clone();
        let bits = data.len() * 8;
        for _ in 0..random.below(3) {
            let bit = random.below(bits);
            data[bit / 8] ^= 0x80 >> (bit % 8);
        }
        let len = match random.below(20) {
            0 => 0,
            1..4 => bits,
            // One more than there are: refused, each operation in its way.
            4 => bits + 1,
            _ => random.below(bits + 1),
        };
        if random.below(50) == 0 {
            let replaced = random.below(self.stems.len());
            self.stems[replaced] = data.clone();
        }
        Prefix::new(len as u32, &data).key()
    }
}
