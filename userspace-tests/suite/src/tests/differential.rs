// SPDX-License-Identifier: MIT OR Apache-2.0
//! The same operations on LPM_MTRIE, LPM_TRIE and the model: every return code,
//! every value and the whole walk are the same.

mod announced;
pub mod keys;
mod three;

use std::io::{self, Write};

use anyhow::{Context, Result};

use self::{
    announced::Slice,
    keys::{Keys, Spread},
    three::Three,
};
use crate::{
    harness::{Test, Type},
    maps::Shape,
    random::{self, Random},
    routes,
};

pub const TESTS: &[Test] = &[
    Test::mtrie("differential_nested", |on| {
        random_streams(on, Spread::Nested)
    }),
    Test::mtrie("differential_dense", |on| random_streams(on, Spread::Dense)),
    Test::mtrie("differential_sparse", |on| {
        random_streams(on, Spread::Sparse)
    }),
    Test::mtrie("differential_edges", |on| random_streams(on, Spread::Edges)),
    Test::mtrie("differential_announced", announced_streams).not_on_debug(),
];

/// More entries than a stream inserts.
const MANY: u32 = 65_536;
/// How many times in a stream the whole walks are compared.
const WALKS: usize = 8;

fn random_streams(on: Type, spread: Spread) -> Result<()> {
    let seed = announce_seed()?;
    let steps = random::steps()?;
    for data in [1, 4, 8, 16, 33, 256] {
        // A map that is full most of the time, and two that never are: one whose values are
        // replaced in place, and one whose values are not.
        for (max_entries, value) in [(20, 12), (MANY - 1, 8), (MANY, 33)] {
            let shape = Shape {
                data,
                value,
                max_entries,
            };
            random_stream(on, shape, spread, seed, steps)
                .with_context(|| format!("LPM_MTRIE_SEED={seed}, {shape:?}"))?;
        }
    }
    Ok(())
}

/// Prints the seed before it returns it, because the machine may crash in the test.
fn announce_seed() -> Result<u64> {
    let seed = random::seed()?;
    print!("seed {seed} ... ");
    io::stdout().flush()?;
    Ok(seed)
}

/// BPF_ANY mostly, BPF_NOEXIST, BPF_EXIST, and flags that mean nothing here:
/// both at once, BPF_F_LOCK, BPF_F_CPU, BPF_F_ALL_CPUS, high bits.
const FLAGS: [u64; 16] = [0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 4, 8];
const RARE_FLAGS: [u64; 5] = [5, 16, 1 << 31, 1 << 32, 1 << 63];

fn random_stream(on: Type, shape: Shape, spread: Spread, seed: u64, steps: usize) -> Result<()> {
    let mut three = Three::new(on, shape)?;
    let mut random = Random::new(seed ^ u64::from(shape.data) << 32 ^ u64::from(shape.max_entries));
    let mut keys = Keys::new(&mut random, spread, shape.data as usize);
    let walk_every = (steps / WALKS).max(1);
    for step in 0..steps {
        let drawn = keys.draw(&mut random);
        let key = match three.model.some_key(&drawn) {
            Some(known) if random.below(3) == 0 => known,
            _ => drawn,
        };
        let flags = match random.below(20) {
            0 => *random.pick(&RARE_FLAGS),
            _ => *random.pick(&FLAGS),
        };
        let operation = random.below(10);
        match operation {
            0..4 => {
                let value = random.bytes(shape.value as usize);
                three.update(&key, &value, flags)
            }
            4..6 => three.delete(&key),
            6..8 => three.lookup(&key, 0),
            8 => three.lookup(&key, flags),
            _ if random.below(10) == 0 => three.next_key(None),
            _ => three.next_key(Some(&key)),
        }
        .with_context(|| {
            format!("step {step}, operation {operation}, flags {flags}, key {key:?}")
        })?;
        if step % walk_every == walk_every - 1 {
            three
                .walk()
                .with_context(|| format!("walk after step {step}"))?;
        }
    }
    Ok(())
}

fn announced_streams(on: Type) -> Result<()> {
    let table = routes::table()?;
    let seed = announce_seed()?;
    let steps = random::steps()?;
    let slices = [
        Slice {
            data: 4,
            value: 8,
            max_entries: MANY,
            prefixes: 20 * steps,
        },
        // This map becomes full.
        Slice {
            data: 16,
            value: 16,
            max_entries: 8 * steps as u32,
            prefixes: 10 * steps,
        },
    ];
    for slice in slices {
        announced::stream(on, &table, slice, &mut Random::new(seed))
            .with_context(|| format!("LPM_MTRIE_SEED={seed}, {slice:?}"))?;
    }
    Ok(())
}
