// SPDX-License-Identifier: MIT OR Apache-2.0
//! The batch commands: counts of what was done, and where they stop.

use anyhow::Result;
use libc::{EINVAL, ENOENT, ENOSPC};

use crate::{
    check,
    harness::{Test, Type},
    maps::{self, IPV4, Shape, value},
    model::{ANY, EXIST, NOEXIST},
    prefix::v4,
};

pub const TESTS: &[Test] = &[
    Test::both("batch_update", update),
    Test::both("batch_update_stops_at_the_error", update_stops),
    Test::both("batch_lookup", lookup),
    Test::both("batch_lookup_cursors", cursors),
    Test::both("batch_of_none", none),
    Test::both("batch_delete", delete),
    Test::both("batch_lookup_and_delete_is_refused", lookup_and_delete),
];

/// `count` disjoint prefixes, already in the map's order.
fn elements(count: u8) -> Vec<(Vec<u8>, Vec<u8>)> {
    (0..count)
        .map(|n| (v4([10, n, 0, 0], 16), value(u64::from(n))))
        .collect()
}

fn update(on: Type) -> Result<()> {
    let map = maps::create(on, IPV4)?;
    let batch = map.update_batch(&elements(100), ANY);
    check::ok(batch.result, "a batch of 100")?;
    check::equal(batch.count, 100, "its count")?;
    check::equal(map.keys(200)?.len(), 100, "prefixes in the map")?;
    check::equal(
        map.lookup(&v4([10, 77, 1, 1], 32), 0)?,
        value(77),
        "one of them",
    )?;
    let none = map.update_batch(&[], ANY);
    check::ok(none.result, "a batch of none")
}

fn update_stops(on: Type) -> Result<()> {
    let map = maps::create(on, IPV4)?;
    let mut wrong = elements(10);
    wrong[6].0 = v4([10, 6, 0, 0], 33);
    let batch = map.update_batch(&wrong, ANY);
    check::errno(batch.result, EINVAL, "the seventh has a length of 33")?;
    check::equal(batch.count, 6, "six were done")?;
    check::equal(map.keys(20)?.len(), 6, "and are there")?;

    // Elements of a batch know BPF_F_LOCK alone, and that wants a lock in the value.
    for flags in [NOEXIST, EXIST, 4] {
        let flag = map.update_batch(&elements(10), flags);
        check::errno(flag.result, EINVAL, &format!("element flags {flags}"))?;
    }
    check::equal(map.keys(20)?.len(), 6, "none was done")?;

    let small = maps::create(
        on,
        Shape {
            max_entries: 4,
            ..IPV4
        },
    )?;
    let batch = small.update_batch(&elements(10), ANY);
    check::errno(batch.result, ENOSPC, "the map takes four")?;
    check::equal(batch.count, 4, "four were done")
}

fn lookup(on: Type) -> Result<()> {
    let map = maps::create(on, IPV4)?;
    let all = elements(10);
    check::ok(map.update_batch(&all, ANY).result, "fill")?;

    let first = map.lookup_batch(None, 4);
    check::ok(first.result, "four of ten")?;
    check::equal(first.elements, all[..4].to_vec(), "the first four")?;
    let second = map.lookup_batch(Some(&first.next), 4);
    check::ok(second.result, "four more")?;
    check::equal(second.elements, all[4..8].to_vec(), "the next four")?;
    let third = map.lookup_batch(Some(&second.next), 4);
    check::errno(third.result, ENOENT, "the end comes before the fourth")?;
    check::equal(third.elements, all[8..].to_vec(), "the last two")?;
    let fourth = map.lookup_batch(Some(&third.next), 4);
    check::errno(fourth.result, ENOENT, "nothing after the last")?;
    check::equal(fourth.elements, vec![], "no elements")?;

    let exact = map.lookup_batch(None, 10);
    check::ok(exact.result, "ten of ten")?;
    check::equal(exact.elements, all.clone(), "all ten")?;
    let more = map.lookup_batch(None, 20);
    check::errno(more.result, ENOENT, "twenty of ten")?;
    check::equal(more.elements, all, "all ten again")?;

    let empty = maps::create(on, IPV4)?;
    check::errno(empty.lookup_batch(None, 4).result, ENOENT, "an empty map")
}

/// A cursor is a key, and one that is not in the map starts over, as in get_next_key.
fn cursors(on: Type) -> Result<()> {
    let map = maps::create(on, IPV4)?;
    let all = elements(10);
    check::ok(map.update_batch(&all, ANY).result, "fill")?;
    for (what, cursor) in [
        ("a key that is not there", v4([99, 0, 0, 0], 8)),
        ("a longer prefix of a present one", v4([10, 3, 0, 0], 17)),
        ("a length that cannot be", v4([10, 3, 0, 0], 33)),
    ] {
        let batch = map.lookup_batch(Some(&cursor), 4);
        check::ok(batch.result, what)?;
        check::equal(batch.elements, all[..4].to_vec(), what)?;
    }
    let batch = map.lookup_batch(Some(&v4([10, 3, 255, 255], 16)), 4);
    check::equal(
        batch.elements,
        all[4..8].to_vec(),
        "bits beyond the length do not count in a cursor",
    )?;

    let first = map.lookup_batch(None, 4);
    map.delete(&all[3].0)?;
    let again = map.lookup_batch(Some(&first.next), 4);
    check::equal(
        again.elements,
        [&all[..3], &all[4..5]].concat(),
        "the cursor's prefix was deleted: from the start",
    )?;
    map.update(&v4([10, 4, 128, 0], 17), &value(4), ANY)?;
    let batch = map.lookup_batch(Some(&all[2].0), 1);
    check::equal(
        batch.elements,
        vec![(v4([10, 4, 128, 0], 17), value(4))],
        "a prefix that came after the cursor was given is seen",
    )
}

fn none(on: Type) -> Result<()> {
    let map = maps::create(on, IPV4)?;
    let all = elements(3);
    check::ok(map.update_batch(&all, ANY).result, "fill")?;
    let none = map.lookup_batch(None, 0);
    check::ok(none.result, "a lookup of none")?;
    check::equal(none.elements, vec![], "no elements")?;
    check::ok(map.delete_batch(&[]).result, "a deletion of none")?;
    check::equal(map.keys(20)?.len(), 3, "nothing was deleted")
}

fn delete(on: Type) -> Result<()> {
    let map = maps::create(on, IPV4)?;
    let all = elements(10);
    check::ok(map.update_batch(&all, ANY).result, "fill")?;
    let mut keys: Vec<_> = all.into_iter().map(|(key, _)| key).collect();
    let batch = map.delete_batch(&keys[..5]);
    check::ok(batch.result, "five of ten")?;
    check::equal(batch.count, 5, "its count")?;

    keys[8] = v4([99, 0, 0, 0], 8);
    let batch = map.delete_batch(&keys[5..]);
    check::errno(batch.result, ENOENT, "the fourth of these is not there")?;
    check::equal(batch.count, 3, "three were done")?;
    check::equal(map.keys(20)?.len(), 2, "two are left")
}

fn lookup_and_delete(on: Type) -> Result<()> {
    /// ENOTSUPP of the kernel, which has no name in userspace.
    const ENOTSUPP: i32 = 524;
    let map = maps::create(on, IPV4)?;
    check::ok(map.update_batch(&elements(3), ANY).result, "fill")?;
    let batch = map.lookup_and_delete_batch(None, 3);
    check::errno(batch.result, ENOTSUPP, "LPM maps have no such batch")?;
    check::equal(map.keys(20)?.len(), 3, "nothing was deleted")
}
