// SPDX-License-Identifier: MIT OR Apache-2.0
//! Maps that are created, filled, pinned, used by a program and freed.

use anyhow::{Context, Result};
use raw_bpf::sys;

use super::{
    pattern::{Name, fits},
    programs,
    subjects::Subjects,
};
use crate::{harness::Type, model::ANY, random::Random, tests::pinning::Pin};

/// Entries that a map is filled with.
const ENTRIES: usize = 100;

/// One life of two maps: descriptors, pins and a program hold them in turn.
pub fn one_life(on: Type, random: &mut Random) -> Result<()> {
    let pins = ["suite_torture_words", "suite_torture_blocks"].map(Pin::new);
    let created = Subjects::create(on)?;
    for (map, pin) in created.maps.iter().zip(&pins) {
        let elements: Vec<_> = (0..ENTRIES)
            .map(|_| {
                let name = Name::draw(random);
                (name.key(), name.value(map.value_size(), random))
            })
            .collect();
        map.update_batch(&elements, ANY).result.context("fill")?;
        sys::obj_pin(map.fd(), pin.path()).context("pin")?;
    }
    let opened = created.reopen([
        sys::obj_get(pins[0].path(), 0)?,
        sys::obj_get(pins[1].path(), 0)?,
    ])?;
    drop(created);
    let program = opened.load()?.load_program("in_classifier")?;
    pins.iter().for_each(Pin::remove);
    for map in &opened.maps {
        for (key, value) in &map.lookup_batch(None, ENTRIES).elements {
            fits(value, key)?;
        }
    }
    drop(opened);
    programs::repeat(&program)
}
