// SPDX-License-Identifier: MIT OR Apache-2.0
//! A map under test, with its model.

use anyhow::{Context, Result};
use raw_bpf::RawMap;

use crate::{
    content::{self, Content},
    harness::Type,
    maps::{self, Shape},
    model::Model,
    random::Random,
    tests::differential::keys::{Keys, Spread},
};

pub struct Target {
    pub map: RawMap,
    pub shape: Shape,
    pub keys: Keys,
    pub model: Model,
    pub frozen: bool,
}

/// Small maps, which are full at times, and whose whole content is quickly compared; but one is
/// never full.
const SHAPES: [Shape; 5] = [
    shape(4, 8, 40),
    shape(4, 100, 200),
    shape(16, 8, 60),
    shape(1, 3, 1000),
    shape(4, 8, 65_536),
];

const fn shape(data: u32, value: u32, max_entries: u32) -> Shape {
    Shape {
        data,
        value,
        max_entries,
    }
}

impl Target {
    pub fn new(on: Type, random: &mut Random) -> Result<Self> {
        Self::of_shape(on, SHAPES[random.below(SHAPES.len())], random)
    }

    pub fn of_shape(on: Type, shape: Shape, random: &mut Random) -> Result<Self> {
        let data = shape.data as usize;
        Ok(Self {
            map: maps::create(on, shape)?,
            shape,
            keys: Keys::new(random, Spread::Nested, data),
            model: Model::new(data, shape.max_entries as usize),
            frozen: false,
        })
    }

    /// Checks that the walk ends, finds what the model has, and that a lookup finds every value by
    /// its key.
    pub fn check(&self) -> Result<()> {
        let keys = self.model.keys().into_iter();
        let want: Result<Content, i32> = keys
            .map(|key| self.model.lookup(&key).map(|value| (key, value)))
            .collect();
        let want = want.ok().context("the model finds its own keys")?;
        let got = content::of(&self.map, self.shape.max_entries as usize)?;
        content::same(&got, &want, "the map against its model")
    }
}
