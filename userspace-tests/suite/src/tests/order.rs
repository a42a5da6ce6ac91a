// SPDX-License-Identifier: MIT OR Apache-2.0
//! get_next_key: post-order, and the effect of an unknown key.

use anyhow::Result;
use libc::ENOENT;

use crate::{
    check,
    harness::{Test, Type},
    maps::{self, IPV4, value},
    model::{ANY, Model},
    prefix::v4,
    random::Random,
};

pub const TESTS: &[Test] = &[
    Test::both("order_empty_map_has_no_key", empty),
    Test::both("order_is_post_order", post_order),
    Test::both("order_unknown_key_starts_over", unknown_key),
    Test::both("order_agrees_with_the_model", against_model),
    Test::both(
        "order_deleting_first_keys_empties_the_map",
        delete_while_walking,
    ),
    Test::both(
        "order_walk_continues_after_deletions_around_the_cursor",
        around_the_cursor,
    ),
];

fn empty(on: Type) -> Result<()> {
    let map = maps::create(on, IPV4)?;
    check::errno(map.next_key(None), ENOENT, "no first key")?;
    check::errno(
        map.next_key(Some(&v4([1, 2, 3, 4], 32))),
        ENOENT,
        "no next key",
    )
}

fn post_order(on: Type) -> Result<()> {
    let map = maps::create(on, IPV4)?;
    let keys = [
        v4([192, 168, 0, 0], 24),
        v4([192, 168, 1, 0], 24),
        v4([192, 168, 128, 0], 24),
        v4([192, 168, 0, 0], 16),
        v4([0, 0, 0, 0], 0),
    ];
    for n in [4, 3, 0, 2, 1] {
        map.update(&keys[n], &value(1), ANY)?;
    }
    check::equal(
        map.keys(10)?,
        keys.to_vec(),
        "longer before shorter, 0 before 1",
    )?;
    check::errno(
        map.next_key(Some(&keys[4])),
        ENOENT,
        "nothing after the last",
    )
}

fn unknown_key(on: Type) -> Result<()> {
    let map = maps::create(on, IPV4)?;
    let first = v4([10, 0, 0, 0], 16);
    let last = v4([10, 128, 0, 0], 16);
    map.update(&first, &value(1), ANY)?;
    map.update(&last, &value(1), ANY)?;
    for (unknown, what) in [
        (v4([10, 0, 0, 0], 8), "a branching point without a value"),
        (v4([10, 0, 0, 0], 17), "a longer prefix"),
        (v4([10, 0, 0, 0], 0), "a shorter prefix"),
        (v4([255, 0, 0, 0], 16), "a neighbouring prefix"),
        (v4([10, 128, 0, 0], 33), "an impossible length"),
    ] {
        check::equal(map.next_key(Some(&unknown))?, first.clone(), what)?;
    }
    check::equal(
        map.next_key(Some(&first))?,
        last,
        "after a known key, the walk continues",
    )
}

fn against_model(on: Type) -> Result<()> {
    let map = maps::create(on, IPV4)?;
    let mut model = Model::new(4, IPV4.max_entries as usize);
    let mut random = Random::new(1);
    for _ in 0..500 {
        let key = clustered(&mut random);
        map.update(&key, &value(1), ANY)?;
        check::equal(model.update(&key, &value(1), ANY), Ok(()), "the model")?;
    }
    check::equal(map.keys(2000)?, model.keys(), "the walk")?;
    for _ in 0..500 {
        let key = clustered(&mut random);
        let got = map
            .next_key(Some(&key))
            .map_err(|error| error.raw_os_error().unwrap_or(0));
        check::equal(
            got,
            model.next_key(Some(&key)),
            &format!("the key after {key:?}"),
        )?;
    }
    Ok(())
}

fn delete_while_walking(on: Type) -> Result<()> {
    let map = maps::create(on, IPV4)?;
    let mut random = Random::new(2);
    for _ in 0..300 {
        map.update(&clustered(&mut random), &value(1), ANY)?;
    }
    let keys = map.keys(1000)?;
    // Delete the first until none is left, as every flush of a map does.
    for (n, key) in keys.iter().enumerate() {
        check::equal(
            map.next_key(None)?,
            key.clone(),
            &format!("first key after {n} deletions"),
        )?;
        map.delete(key)?;
    }
    check::errno(map.next_key(None), ENOENT, "the map is empty")
}

/// A walker's key may be deleted while it holds it, and so may keys before and after it.
fn around_the_cursor(on: Type) -> Result<()> {
    let map = maps::create(on, IPV4)?;
    let mut random = Random::new(4);
    for _ in 0..300 {
        map.update(&clustered(&mut random), &value(1), ANY)?;
    }
    let mut left = map.keys(1000)?;
    let mut at = left.len() / 2;
    while left.len() > 2 {
        let cursor = left[at].clone();
        // Before the cursor, and after it: the walk continues where it was.
        for neighbour in [at.checked_sub(1), (at + 1 < left.len()).then_some(at)] {
            let Some(n) = neighbour else { continue };
            let n = if left[n] == cursor { n + 1 } else { n };
            map.delete(&left.remove(n))?;
            at = left.iter().position(|key| *key == cursor).unwrap_or(at);
            let got = map.next_key(Some(&cursor)).ok();
            check::equal(got, left.get(at + 1).cloned(), "the key after the cursor")?;
        }
        // The cursor itself: from the start.
        map.delete(&left.remove(at))?;
        let got = map.next_key(Some(&cursor)).ok();
        check::equal(got, left.first().cloned(), "the key after a deleted one")?;
        at = left.len() / 2;
    }
    check::equal(map.keys(10)?, left, "the walk over what is left")
}

/// Keys that nest and branch: few values per byte, all lengths.
fn clustered(random: &mut Random) -> Vec<u8> {
    let data = [0; 4].map(|_| [0, 1, 128, 255][random.below(4)]);
    v4(data, random.below(33) as u32)
}
