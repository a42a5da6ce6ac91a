// SPDX-License-Identifier: GPL-2.0
//! Readers, writers and reclaim in every order that the memory model allows.
//!
//! `RUSTFLAGS="--cfg loom" cargo test --release --test loom`, which `scripts/test core` also runs.
//!
//! A value is the number of a cell that loom watches. Its content is written before the entry is
//! inserted, read by whoever finds the entry, and written again once the entry is retired and the
//! readers of that time have left. So loom reports an error if the slots' Release and Acquire do
//! not order these accesses, or if a block can be reached after its retirement. The properties:
//! what is always in the table is always found; what is found covers the key and was in the table;
//! a step of a walk ends; a reader who gives up succeeds while there is no writer; no block leaks.
#![cfg(loom)]

mod sequences;
mod walks;
mod world;

use loom::{model::Builder, thread};
use lpm_mtrie_core::{Prefix, Reader};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use world::{geometry, Row, World};

/// Explores what `run` does: everything that threads can see of each other, with a bounded number
/// of preemptions.
fn model(run: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(3);
    // Each access is a branch, and full nodes have many slots.
    builder.max_branches = 20_000;
    builder.check(run);
}

/// Runs a reader alongside a writer, on a table with `rows` without those `gone`, see
/// [`World::new`], and the reader once more after the writer is done.
fn race(
    rows: &'static [Row],
    gone: &'static [Row],
    read: impl Fn(&World, &Reader) + Send + Sync + Clone + 'static,
    write: impl Fn(&World) + Send + Sync + 'static,
) {
    model(move || {
        let world = World::new(rows, gone, 1);
        let reader = thread::spawn({
            let (world, read) = (world.clone(), read.clone());
            move || world.read(|reader| read(&world, reader))
        });
        write(&world);
        reader.join().expect("the reader asserts");
        world.read_at_the_end(|reader| read(&world, reader));
        world.end();
    });
}

#[test]
fn a_published_entry_is_complete() {
    race(
        &[],
        &[],
        |world, reader| {
            let found = world.longest_match(reader, [10, 1, 2, 3]);
            assert!(
                matches!(found, None | Some(8 | 16)),
                "what was inserted, or nothing: {found:?}"
            );
        },
        |world| {
            world.insert((8, [10, 0, 0, 0]), 0);
            world.insert((16, [10, 1, 0, 0]), 1);
        },
    );
}

#[test]
fn a_replaced_entry_is_reclaimed_after_its_readers() {
    race(
        &[(8, [10, 0, 0, 0]), (16, [10, 1, 0, 0])],
        &[],
        |world, reader| {
            assert_eq!(
                world.longest_match(reader, [10, 1, 2, 3]),
                Some(16),
                "the old or the new entry is found"
            )
        },
        |world| {
            world.insert((16, [10, 1, 0, 0]), 2);
            world.grace(&[1]);
        },
    );
}

#[test]
fn a_removed_entry_uncovers_the_shorter_one() {
    race(
        &[(8, [10, 0, 0, 0]), (24, [10, 1, 2, 0]), (24, [10, 1, 3, 0])],
        &[],
        |world, reader| {
            let found = world.longest_match(reader, [10, 1, 2, 3]);
            assert!(
                matches!(found, Some(8 | 24)),
                "one of the two covers it: {found:?}"
            );
            assert_eq!(
                world.longest_match(reader, [10, 1, 3, 3]),
                Some(24),
                "its neighbour stays, whichever node it is in"
            );
        },
        |world| {
            world.remove((24, [10, 1, 2, 0]));
            world.grace(&[1]);
        },
    );
}

#[test]
fn a_reader_that_gives_up_is_not_disturbed_without_the_writer() {
    static GAVE_UP: AtomicBool = AtomicBool::new(false);
    race(
        &[(9, [10, 0, 0, 0]), (16, [10, 200, 0, 0])],
        &[],
        |world, reader| {
            // A key that ends within the node is looked up in one pass, so that one update makes
            // the reader give up, and without the lock the other one would disturb it again.
            let found = world.longest_match_of(reader, (12, [10, 0x50, 0, 0]));
            assert!(matches!(found, Some(9 | 10)), "one is there: {found:?}");
            GAVE_UP.fetch_or(world.gave_up.load(Relaxed), Relaxed);
        },
        |world| {
            world.insert((10, [10, 0x40, 0, 0]), 2);
            world.remove((9, [10, 0, 0, 0]));
        },
    );
    assert!(
        GAVE_UP.load(Relaxed),
        "in some order, an update disturbs each pass"
    );
}

#[test]
fn a_split_path_is_never_interrupted() {
    race(
        &[(8, [0, 0, 0, 0]), (32, [9, 9, 9, 1]), (32, [9, 9, 9, 2])],
        &[],
        |world, reader| {
            assert_eq!(
                world.longest_match(reader, [9, 9, 9, 2]),
                Some(32),
                "below the split"
            );
            let found = world.longest_match(reader, [9, 8, 7, 7]);
            assert!(
                matches!(found, None | Some(16)),
                "the new branch: {found:?}"
            );
        },
        |world| {
            world.insert((16, [9, 8, 0, 0]), 3);
            world.grace(&[]);
        },
    );
}

#[test]
fn vacant_slots_are_passed_over() {
    race(
        &[
            (8, [10, 0, 0, 0]),
            (9, [10, 0, 0, 0]),
            (16, [10, 200, 0, 0]),
        ],
        &[],
        |world, reader| {
            let found = world.longest_match(reader, [10, 1, 1, 1]);
            assert!(
                matches!(found, Some(8 | 9)),
                "the longer one, or the one that it covers: {found:?}"
            );
            let geometry = geometry();
            let after = Prefix::new(&geometry, 16, &[10, 200, 0, 0]).expect("valid");
            let next = world.next(reader, after).map(|entry| entry.prefixlen());
            assert_eq!(next, Some(8), "the walk continues");
        },
        |world| {
            world.remove_without_memory((9, [10, 0, 0, 0]));
            world.insert((9, [10, 0, 0, 0]), 3);
            world.grace(&[1]);
        },
    );
}

#[test]
fn readers_in_an_unlinked_chain_of_nodes_finish() {
    race(
        &[
            (8, [10, 0, 0, 0]),
            (16, [10, 1, 0, 0]),
            (32, [10, 1, 2, 3]),
            (32, [10, 1, 2, 4]),
        ],
        &[],
        |world, reader| {
            let found = world.longest_match(reader, [10, 1, 2, 3]);
            assert!(
                matches!(found, None | Some(8 | 16 | 32)),
                "one of the prefixes that are removed in turn: {found:?}"
            );
            let geometry = geometry();
            let after = Prefix::new(&geometry, 32, &[10, 1, 2, 3]).expect("valid");
            let next = world.next(reader, after);
            let next = next.map(|entry| entry.prefixlen());
            assert!(matches!(next, None | Some(8 | 16 | 32)), "a walk ends");
        },
        |world| {
            world.remove_without_memory((8, [10, 0, 0, 0]));
            world.remove_without_memory((16, [10, 1, 0, 0]));
            world.remove_without_memory((32, [10, 1, 2, 4]));
            world.remove_without_memory((32, [10, 1, 2, 3]));
            world.grace(&[0, 1, 2, 3]);
        },
    );
}

#[test]
fn nodes_that_are_left_over_hold_nothing() {
    const SHORT: Row = (15, [10, 0, 0, 0]);
    const LEAF: Row = (32, [11, 1, 1, 1]);
    race(
        &[
            SHORT,
            (16, [10, 3, 0, 0]),
            (16, [10, 4, 0, 0]),
            (16, [10, 5, 0, 0]),
            (16, [10, 6, 0, 0]),
            (16, [10, 7, 0, 0]),
            LEAF,
            (32, [11, 2, 1, 1]),
        ],
        // In the full node below 10, the short one is removed last; its grace period is over.
        &[
            (16, [10, 3, 0, 0]),
            (16, [10, 4, 0, 0]),
            (16, [10, 5, 0, 0]),
            (16, [10, 6, 0, 0]),
            (16, [10, 7, 0, 0]),
            (32, [11, 2, 1, 1]),
            SHORT,
        ],
        |world, reader| {
            let found = world.longest_match(reader, [11, 1, 1, 1]);
            assert!(
                matches!(found, None | Some(32)),
                "present or removed: {found:?}"
            );
        },
        // The node below 11 is unlinked, and then leads to the one that was left over.
        |world| world.remove_without_memory(LEAF),
    );
}

/// The reader of a node with the items of /8, of 10.2/16 and 10.200/16, and some more.
fn find_neighbours(world: &World, reader: &Reader) {
    let found = world.longest_match(reader, [10, 3, 1, 1]);
    assert!(
        matches!(found, Some(8 | 16)),
        "among its neighbours: {found:?}"
    );
    let found = world.longest_match(reader, [10, 100, 1, 1]);
    assert!(
        matches!(found, Some(8 | 15)),
        "an internal one is inserted: {found:?}"
    );
    assert_eq!(
        world.longest_match(reader, [10, 200, 1, 1]),
        Some(16),
        "an item that stays is found"
    );
}

fn add_neighbours(world: &World) {
    world.insert((16, [10, 3, 0, 0]), FREE);
    world.insert((15, [10, 100, 0, 0]), FREE + 1);
    world.grace(&[]);
}

/// Cells of no row.
const FREE: usize = 20;

/// Becomes packed.
const SMALL: &[Row] = &[(8, [10, 0, 0, 0]), (16, [10, 200, 0, 0])];

const PACKED: &[Row] = &[
    (8, [10, 0, 0, 0]),
    (16, [10, 1, 0, 0]),
    (16, [10, 2, 0, 0]),
    (16, [10, 200, 0, 0]),
];

const FULL: &[Row] = &[
    (8, [10, 0, 0, 0]),
    (16, [10, 1, 0, 0]),
    (16, [10, 2, 0, 0]),
    (16, [10, 4, 0, 0]),
    (16, [10, 5, 0, 0]),
    (16, [10, 200, 0, 0]),
    (16, [10, 255, 0, 0]),
];

#[test]
fn readers_find_neighbours_while_a_small_node_grows() {
    race(SMALL, &[], find_neighbours, add_neighbours);
}

#[test]
fn readers_find_neighbours_while_a_packed_node_grows() {
    race(PACKED, &[], find_neighbours, add_neighbours);
}

#[test]
fn readers_find_neighbours_while_a_full_node_grows() {
    race(FULL, &[], find_neighbours, add_neighbours);
}

/// A walk past an item that is removed and inserted.
fn walk_past(world: &World, reader: &Reader) {
    let found = world.longest_match(reader, [10, 2, 1, 1]);
    assert!(
        matches!(found, Some(8 | 16)),
        "present or removed: {found:?}"
    );
    let geometry = geometry();
    let after = Prefix::new(&geometry, 16, &[10, 1, 0, 0]).expect("valid");
    let next = world.next(reader, after);
    let next = next.and_then(|entry| entry.data().nth(1));
    assert!(
        matches!(next, Some(2 | 4 | 200)),
        "the walk continues: {next:?}"
    );
}

fn take_out(world: &World) {
    world.remove((16, [10, 2, 0, 0]));
    world.insert((16, [10, 2, 0, 0]), FREE);
    world.grace(&[2]);
}

#[test]
fn an_item_taken_out_of_a_packed_node_is_reclaimed_after_its_readers() {
    race(PACKED, &[], walk_past, take_out);
}

#[test]
fn an_item_taken_out_of_a_full_node_is_reclaimed_after_its_readers() {
    race(FULL, &[], walk_past, take_out);
}

#[test]
fn a_walk_passes_the_changing_last_child_of_a_full_node() {
    race(
        FULL,
        &[],
        |world, reader| {
            let found = world.longest_match(reader, [10, 255, 1, 1]);
            assert!(
                matches!(found, Some(8 | 16)),
                "present or removed: {found:?}"
            );
            let geometry = geometry();
            let after = Prefix::new(&geometry, 16, &[10, 200, 0, 0]).expect("valid");
            let next = world.next(reader, after);
            let next = next.and_then(|entry| entry.data().nth(1));
            assert!(
                matches!(next, Some(255 | 0)),
                "the walk continues: {next:?}"
            );
        },
        |world| {
            world.remove((16, [10, 255, 0, 0]));
            world.insert((16, [10, 255, 0, 0]), FREE);
            world.grace(&[6]);
        },
    );
}

/// With an internal prefix that two slots of the array hold, and that the slot of a child
/// indicates.
const PUSHED: &[Row] = &[
    (14, [10, 100, 0, 0]),
    (16, [10, 1, 0, 0]),
    (16, [10, 2, 0, 0]),
    (16, [10, 4, 0, 0]),
    (16, [10, 5, 0, 0]),
    (16, [10, 100, 0, 0]),
    (24, [10, 101, 1, 0]),
];

#[test]
fn a_replaced_entry_in_many_slots_is_reclaimed_after_its_readers() {
    race(
        PUSHED,
        &[],
        |world, reader| {
            for byte in [103, 101] {
                assert_eq!(
                    world.longest_match(reader, [10, byte, 2, 2]),
                    Some(14),
                    "the old or the new entry is found"
                );
            }
        },
        |world| {
            world.insert((14, [10, 100, 0, 0]), FREE);
            world.grace(&[0]);
        },
    );
}

#[test]
fn an_entry_in_many_slots_is_reclaimed_after_its_readers() {
    race(
        PUSHED,
        &[],
        |world, reader| {
            for byte in [103, 101] {
                let found = world.longest_match(reader, [10, byte, 2, 2]);
                assert!(
                    matches!(found, None | Some(14)),
                    "present or removed: {found:?}"
                );
            }
        },
        |world| {
            world.remove((14, [10, 100, 0, 0]));
            world.grace(&[0]);
        },
    );
}

#[test]
fn a_joined_path_is_never_interrupted() {
    race(
        &[(16, [9, 8, 0, 0]), (32, [9, 9, 9, 1]), (32, [9, 9, 9, 2])],
        &[],
        |world, reader| {
            assert_eq!(
                world.longest_match(reader, [9, 9, 9, 2]),
                Some(32),
                "below the joined path"
            );
            let found = world.longest_match(reader, [9, 8, 7, 7]);
            assert!(
                matches!(found, None | Some(16)),
                "the removed branch: {found:?}"
            );
        },
        |world| {
            world.remove((16, [9, 8, 0, 0]));
            world.grace(&[0]);
        },
    );
}

#[test]
fn two_writers_lose_no_entry() {
    model(|| {
        let world = World::new(&[(8, [10, 0, 0, 0])], &[], 1);
        let writer = thread::spawn({
            let world = world.clone();
            move || world.insert((16, [10, 1, 0, 0]), 1)
        });
        let reader = thread::spawn({
            let world = world.clone();
            move || {
                let found = world.read(|reader| world.longest_match(reader, [10, 1, 1, 1]));
                assert!(
                    matches!(found, Some(8 | 16)),
                    "one of the two covers it: {found:?}"
                );
            }
        });
        world.insert((16, [10, 2, 0, 0]), 2);
        writer.join().expect("the writer asserts");
        reader.join().expect("the reader asserts");
        assert_eq!(world.trie.len(), 3, "both writers' entries are there");
        world.end();
    });
}
