// SPDX-License-Identifier: MIT OR Apache-2.0
//! The batch commands: counts of what was done, and where they stop.

use anyhow::Result;
use aya_obj::generated::bpf_cmd;
use libc::{EFAULT, EINVAL, ENOENT, ENOSPC};

use crate::{
    check,
    harness::{Test, Type},
    maps::{self, IPV4, Shape, value},
    model::{ANY, EXIST, NOEXIST},
    prefix::v4,
    raw_call::RawCall,
};

pub const TESTS: &[Test] = &[
    Test::both("batch_update_counts_all_elements", update),
    Test::both("batch_update_stops_at_the_error", update_stops),
    Test::both("batch_lookup_returns_all_in_order", lookup),
    Test::mtrie("batch_cursor_is_a_position", cursors),
    Test::mtrie("batch_walk_ends_while_the_map_changes", walk_while_changing),
    Test::both("batch_of_none_succeeds", none),
    Test::both("batch_delete_stops_at_a_missing_key", delete),
    Test::mtrie(
        "batch_lookup_and_delete_deletes_what_it_returns",
        lookup_and_delete,
    ),
    Test::mtrie("batch_flags_are_refused", flags),
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

    // The only element flag of a batch is BPF_F_LOCK, which requires a lock in the value.
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

/// A cursor may be any key, in the map or not: what follows it in the map's order comes next.
fn cursors(on: Type) -> Result<()> {
    let map = maps::create(on, IPV4)?;
    let mut all = elements(10);
    all.push((v4([10, 0, 0, 0], 8), value(8)));
    check::ok(map.update_batch(&all, ANY).result, "fill")?;
    for (what, cursor, next) in [
        ("in front of all", v4([1, 0, 0, 0], 8), 0),
        ("a prefix that comes after all", v4([99, 0, 0, 0], 8), 11),
        ("a prefix that covers all", v4([0, 0, 0, 0], 0), 11),
        ("between two prefixes", v4([10, 3, 0, 0], 15), 4),
        ("covered by a prefix", v4([10, 3, 0, 0], 17), 3),
        ("in front of a subtree", v4([10, 5, 0, 0], 16), 6),
        ("bits beyond the length", v4([10, 3, 255, 255], 16), 4),
    ] {
        let batch = map.lookup_batch(Some(&cursor), 20);
        check::errno(batch.result, ENOENT, what)?;
        check::equal(batch.elements, all[next..].to_vec(), what)?;
    }
    let bad = map.lookup_batch(Some(&v4([10, 3, 0, 0], 33)), 4);
    check::errno(bad.result, EINVAL, "a length that cannot be")?;

    let first = map.lookup_batch(None, 4);
    map.delete(&all[3].0)?;
    let next = map.lookup_batch(Some(&first.next), 4);
    check::equal(
        next.elements,
        all[4..8].to_vec(),
        "the cursor's prefix was deleted, and the walk continues",
    )?;
    map.update(&v4([10, 4, 128, 0], 17), &value(4), ANY)?;
    let batch = map.lookup_batch(Some(&all[2].0), 1);
    check::equal(
        batch.elements,
        vec![(v4([10, 4, 128, 0], 17), value(4))],
        "a prefix that came after the cursor was given is seen",
    )
}

/// Each element is inserted again, shifted, as soon as a batch has returned it.
fn walk_while_changing(on: Type) -> Result<()> {
    let map = maps::create(on, IPV4)?;
    let all = elements(200);
    check::ok(map.update_batch(&all, ANY).result, "fill")?;
    let (mut seen, mut cursor) = (vec![], None);
    loop {
        let batch = map.lookup_batch(cursor.as_deref(), 7);
        for (key, value) in &batch.elements {
            map.delete(key)?;
            let earlier = v4([10, key[5], 1, 0], 24);
            map.update(&earlier, value, ANY)?;
        }
        seen.extend(batch.elements);
        if batch.result.is_err() {
            check::errno(batch.result, ENOENT, "the end")?;
            break;
        }
        cursor = Some(batch.next);
        check::holds(seen.len() <= 200, "a walk ends")?;
    }
    check::holds(seen == all, "what was there at first, each once")
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
    let map = maps::create(on, IPV4)?;
    let all = elements(10);
    check::ok(map.update_batch(&all, ANY).result, "fill")?;
    let first = map.lookup_and_delete_batch(None, 4);
    check::ok(first.result, "four of ten")?;
    check::equal(first.elements, all[..4].to_vec(), "the first four")?;
    check::equal(map.keys(20)?.len(), 6, "they are gone")?;
    let rest = map.lookup_and_delete_batch(Some(&first.next), 10);
    check::errno(rest.result, ENOENT, "the end comes before the tenth")?;
    check::equal(rest.elements, all[4..].to_vec(), "the other six")?;
    check::errno(map.next_key(None), ENOENT, "the map is empty")?;

    // More than are read at once.
    let many = Shape {
        max_entries: 65_536,
        ..IPV4
    };
    let map = maps::create(on, many)?;
    let all: Vec<_> = (0..5000u32)
        .map(|n| {
            let [_, _, a, b] = n.to_be_bytes();
            (v4([10, a, b, 0], 24), value(u64::from(n)))
        })
        .collect();
    check::ok(map.update_batch(&all, ANY).result, "fill")?;
    let batch = map.lookup_and_delete_batch(None, 4999);
    check::ok(batch.result, "all but one")?;
    check::holds(batch.elements == all[..4999], "in order")?;
    check::equal(map.keys(10)?, vec![all[4999].0.clone()], "one is left")?;

    let cmd = bpf_cmd::BPF_MAP_LOOKUP_AND_DELETE_BATCH;
    let mut call = RawCall::batch(cmd, map.fd(), &[0; 8], &[0; 8], &[], 1).put64(24, 0);
    // SAFETY: the call's memory holds what its addresses point to, except for a null one.
    check::equal(unsafe { call.make() }, Err(EFAULT), "no room for its value")?;
    check::errno(map.next_key(None), ENOENT, "it is lost")
}

fn flags(on: Type) -> Result<()> {
    let map = maps::create(on, IPV4)?;
    check::ok(map.update_batch(&elements(3), ANY).result, "fill")?;
    for cmd in [
        bpf_cmd::BPF_MAP_LOOKUP_BATCH,
        bpf_cmd::BPF_MAP_LOOKUP_AND_DELETE_BATCH,
    ] {
        for (at, what) in [(40, "elem_flags"), (48, "flags")] {
            let call = RawCall::batch(cmd, map.fd(), &[0; 8], &[0; 24], &[0; 24], 3);
            let mut call = call.put64(8, 0).put64(at, 1);
            // SAFETY: the call's memory holds what its addresses point to.
            let result = unsafe { call.make() };
            check::equal(result, Err(EINVAL), what)?;
        }
    }
    check::equal(map.keys(10)?.len(), 3, "nothing was deleted")
}
