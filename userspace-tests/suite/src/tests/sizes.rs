// SPDX-License-Identifier: MIT OR Apache-2.0
//! Key and value sizes: every byte of each is stored and returned.

use anyhow::Result;

use crate::{
    check,
    harness::{Test, Type},
    maps::{self, Shape},
    model::{ANY, Model},
    prefix::Prefix,
    random::Random,
};

pub const TESTS: &[Test] = &[Test::both(
    "sizes_of_all_keys_and_values_keep_every_byte",
    sizes,
)];

const DATA: [u32; 7] = [1, 4, 8, 16, 20, 33, 256];
const VALUES: [u32; 6] = [1, 4, 8, 12, 64, 4096];

fn sizes(on: Type) -> Result<()> {
    for data in DATA {
        for value in VALUES {
            one_size(
                on,
                Shape {
                    data,
                    value,
                    max_entries: 64,
                },
            )?;
        }
    }
    Ok(())
}

fn one_size(on: Type, shape: Shape) -> Result<()> {
    let map = maps::create(on, shape)?;
    let data = shape.data as usize;
    let mut model = Model::new(data, 64);
    let mut random = Random::new(u64::from(shape.data) << 32 | u64::from(shape.value));
    let mut keys = vec![];
    // Prefixes that share a long start with one of two stems, of all lengths.
    let stems = [random.bytes(data), random.bytes(data)];
    for n in 0..20 {
        let mut bytes = stems[n % 2].clone();
        let flipped = random.below(data * 8);
        bytes[flipped / 8] ^= 0x80 >> (flipped % 8);
        let key = Prefix::new(random.below(data * 8 + 1) as u32, &bytes).key();
        let value = random.bytes(shape.value as usize);
        check::ok(
            map.update(&key, &value, ANY),
            &format!("update in {shape:?}"),
        )?;
        check::equal(model.update(&key, &value, ANY), Ok(()), "the model")?;
        keys.push(key);
    }
    for key in &keys {
        let mut full = Prefix::from_key(key);
        full.len = shape.data * 8;
        for wanted in [key.clone(), full.key()] {
            let got = map
                .lookup(&wanted, 0)
                .map_err(|error| error.raw_os_error().unwrap_or(0));
            check::equal(got, model.lookup(&wanted), &format!("lookup in {shape:?}"))?;
        }
    }
    check::equal(
        map.keys(100)?,
        model.keys(),
        &format!("the walk in {shape:?}"),
    )
}
