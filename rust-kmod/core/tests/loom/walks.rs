// SPDX-License-Identifier: GPL-2.0
//! Walks alongside a writer: they do not go back, and skip nothing that stays.

use super::{geometry, race};
use lpm_mtrie_core::Prefix;

/// A walk from a position without an entry, which a leaf covers, while that leaf becomes a node
/// whose first entry is before the position.
#[test]
fn a_walk_from_an_absent_position_does_not_go_back() {
    race(
        &[(16, [10, 2, 0, 0]), (16, [10, 3, 0, 0])],
        &[],
        |world, reader| {
            let geometry = geometry();
            let position = Prefix::new(&geometry, 24, &[10, 2, 5, 0]).expect("valid");
            let mut first = None;
            world.undisturbed(|| {
                world.trie.walk(reader, Some(position), |entry| {
                    first = Some((entry.prefixlen(), entry.data().nth(2)));
                    false
                })
            });
            assert!(
                matches!(first, Some((16, Some(0)) | (24, Some(9)))),
                "what follows the position: {first:?}"
            );
        },
        |world| {
            world.insert((24, [10, 2, 1, 0]), 2);
            world.insert((24, [10, 2, 9, 0]), 3);
            world.grace(&[]);
        },
    );
}

/// A walk that has forgotten the node with what follows, while all that was before it goes, and the
/// node with it.
#[test]
fn a_walk_finds_what_follows_in_a_forgotten_node() {
    race(
        &[
            (16, [10, 1, 0, 0]),
            (16, [10, 2, 0, 0]),
            (16, [20, 1, 0, 0]),
        ],
        &[],
        |world, reader| {
            let geometry = geometry();
            let last = Prefix::new(&geometry, 16, &[10, 2, 0, 0]).expect("valid");
            let mut next = None;
            world.undisturbed(|| {
                world.trie.walk(reader, Some(last), |entry| {
                    next = entry.data().next();
                    false
                })
            });
            assert_eq!(next, Some(20), "it stays");
            let next = world.next(reader, last);
            let next = next.and_then(|entry| entry.data().next());
            assert_eq!(next, Some(20), "it stays, and all before it are gone");
        },
        |world| {
            world.remove((16, [10, 1, 0, 0]));
            world.remove((16, [10, 2, 0, 0]));
            world.grace(&[0, 1]);
        },
    );
}
