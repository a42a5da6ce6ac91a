// SPDX-License-Identifier: GPL-2.0
//! How much memory nodes take, and how much of it updates retire.

use super::fixture::Fixture;
use crate::{
    node::{Link, NodeRef},
    Mode,
};

const ANY: Mode = Mode::Any;

#[test]
#[cfg_attr(miri, ignore = "thousands of entries take too long there")]
fn the_highest_nodes_of_a_large_table_are_full() {
    let mut f = Fixture::new(4);
    // The second time after everything was removed.
    for _ in 0..2 {
        // Ten children of the root, with ten children each.
        for i in 0..2_048u32 {
            let data = [(i % 10) as u8, (i / 10 % 10) as u8, (i / 100) as u8, 0];
            f.insert((24, &data), 0, ANY).expect("memory does not fail");
        }
        f.check(false);
        let root = f.trie.root.below();
        assert!(
            matches!(root, Link::Node(NodeRef::Full(_))),
            "the root was promoted"
        );
        assert_eq!(f.walk(), f.model.rows, "and holds what it held");
        for i in 0..2_048u32 {
            let data = [(i % 10) as u8, (i / 10 % 10) as u8, (i / 100) as u8, 0];
            f.remove((24, &data)).expect("it is there");
        }
        assert_eq!(f.trie.bytes(), 0, "nothing is left");
    }
}

/// What 100 insertions and removals of `key` retire, in bytes each.
fn retired_by(f: &mut Fixture, key: (u32, &[u8])) -> usize {
    let rounds = if cfg!(miri) { 3 } else { 100 };
    f.heap.grace();
    let before = f.heap.ever_retired;
    for _ in 0..rounds {
        f.insert(key, 0, ANY).expect("memory does not fail");
        f.remove(key).expect("it is there");
        f.heap.grace();
    }
    (f.heap.ever_retired - before).div_ceil(rounds)
}

/// The number of entries passes a multiple of 1,024 with each insertion, in another node.
#[test]
#[cfg_attr(miri, ignore = "thousands of entries take too long there")]
fn a_table_that_does_not_grow_takes_no_more_memory() {
    let mut f = Fixture::new(4);
    for a in 0..100 {
        for b in 0..8 {
            f.insert((32, &[a, b, 1, 1]), 0, ANY)
                .expect("memory does not fail");
        }
    }
    for b in 0..223 {
        f.insert((32, &[200, b, 1, 1]), 0, ANY)
            .expect("memory does not fail");
    }
    assert_eq!(f.trie.len(), 1023);
    let before = f.trie.bytes();
    for a in 0..100 {
        f.insert((32, &[a, 200, 1, 1]), 0, ANY)
            .expect("memory does not fail");
        f.remove((32, &[200, a, 1, 1])).expect("it is there");
    }
    let more = f.trie.bytes() - before;
    assert!(more <= 8192, "{more} bytes more");
}

/// The removals in an order that leaves the node full for as long as possible: all but five of its
/// cache lines are emptied, then each of these is thinned out.
#[test]
#[cfg_attr(miri, ignore = "thousands of entries take too long there")]
fn a_node_that_removals_thin_out_takes_no_more_memory_than_lpm_trie() {
    const LINES: u8 = 5;
    let mut f = Fixture::new(4);
    for byte in 0..=255 {
        f.insert((32, &[10, 0, 0, byte]), 0, ANY)
            .expect("memory does not fail");
    }
    let thinned = (0..8).flat_map(|column| (0..LINES).map(move |line| 8 * line + column));
    for byte in (8 * LINES..=255).chain(thinned) {
        f.remove((32, &[10, 0, 0, byte])).expect("it is there");
        // An entry of 64 bytes each, and another node for each branch.
        let lpm_trie = (64 * (2 * f.trie.len())).saturating_sub(64);
        let (len, bytes) = (f.trie.len(), f.trie.bytes());
        assert!(bytes <= lpm_trie, "{bytes} bytes for {len} entries");
    }
}

#[test]
fn inserting_and_removing_one_prefix_retires_little() {
    let counts: &[u8] = if cfg!(miri) {
        &[0, 7, 23]
    } else {
        &[
            0, 1, 2, 5, 6, 7, 8, 15, 16, 22, 23, 24, 54, 55, 56, 57, 128, 254,
        ]
    };
    let mut worst = 0;
    for &count in counts {
        // A node of this many children or internal prefixes, below skipped bytes or not.
        for (internal, skip) in [(false, false), (false, true), (true, false), (true, true)] {
            let mut f = Fixture::new(8);
            let data = |byte| [1, 2, 3, byte, 0, 0, 0, 0];
            for byte in 0..count {
                let (len, data) = match internal {
                    true => (24 + u32::from(byte) % 7, data(byte)),
                    false => (32, data(byte)),
                };
                f.insert((len, &data), 0, ANY)
                    .expect("memory does not fail");
            }
            if !skip {
                f.insert((8, &[1; 8]), 0, ANY)
                    .expect("memory does not fail");
            }
            for key in [
                (32, data(255)),
                (31, data(254)),
                (24, data(0)),
                (40, data(0)),
                (16, data(0)),
                (32, [1, 9, 9, 9, 0, 0, 0, 0]),
            ] {
                if f.model.position((key.0, &key.1)).is_err() {
                    worst = worst.max(retired_by(&mut f, (key.0, &key.1)));
                }
            }
        }
    }
    assert!(worst <= 192, "{worst} bytes for a pair");
    std::eprintln!("at most {worst} bytes for a pair");
}
