// SPDX-License-Identifier: GPL-2.0
//! Memory fails at every point: an operation that fails changes nothing, a removal succeeds
//! regardless, and nothing is lost.

use super::{
    fixture::Fixture,
    step::Op,
    strategy::{config, sized_ops},
};
use crate::Mode;
use proptest::prelude::*;
use std::{vec, vec::Vec};

/// Bytes of a key, and so nodes of a chain.
const SIZE: usize = if cfg!(miri) { 24 } else { 256 };

/// Prefixes of 8, 16, … bits of one key: a node for each byte, each below the previous one.
fn nested(fixture: &mut Fixture, byte: u8) -> Vec<(u32, Vec<u8>)> {
    let data = vec![byte; fixture.geometry().data_size()];
    let keys = (1..=data.len() as u32).map(|i| (8 * i, data.clone()));
    let keys: Vec<_> = keys.collect();
    for (len, data) in &keys {
        fixture
            .insert((*len, data), 0, Mode::Any)
            .expect("memory does not fail");
    }
    keys
}

impl Fixture {
    /// Removes `key` with room to retire what that takes and no block for a copy.
    fn remove_without_memory(&mut self, key: &(u32, Vec<u8>)) {
        self.heap.budget = Some(1);
        let result = self.remove((key.0, &key.1));
        assert_eq!(result, Ok(()), "/{} is removed without a block", key.0);
        self.heap.budget = None;
        self.check(true);
    }
}

#[test]
fn the_last_of_nested_prefixes_is_removed_after_failures() {
    let mut fixture = Fixture::new(SIZE as u16);
    let mut keys = nested(&mut fixture, 7);
    let last = keys.pop().expect("there are some");
    keys.iter()
        .for_each(|key| fixture.remove_without_memory(key));
    let result = fixture.remove((last.0, &last.1));
    assert_eq!(result, Ok(()), "it is removed when memory is back");
    fixture.check(true);
    assert_eq!(fixture.trie.bytes(), 0, "and so is the chain of nodes");
}

#[test]
fn chains_left_without_memory_are_retired_by_later_writers() {
    let mut fixture = Fixture::new(SIZE as u16);
    let mut keys = nested(&mut fixture, 7);
    keys.extend(nested(&mut fixture, 8));
    for key in &keys {
        fixture.remove_without_memory(key);
    }
    let left = fixture.heap.live().count();
    assert!(left > SIZE, "the nodes of two chains are left: {left}");
    for _ in 0..2 {
        fixture
            .insert((0, &[9; SIZE]), 0, Mode::Any)
            .expect("memory does not fail");
        fixture.check(true);
        fixture.remove((0, &[9; SIZE])).expect("it is there");
        fixture.check(true);
    }
    assert_eq!(fixture.trie.bytes(), 0, "no node is left");
}

#[test]
#[cfg_attr(miri, ignore = "hundreds of checks of a full node take too long there")]
fn leftovers_of_failures_are_cleaned_up_by_updates_on_the_way() {
    let mut fixture = Fixture::new(SIZE as u16);
    let mut keys = nested(&mut fixture, 7);
    let kept = keys.split_off(SIZE - 2);
    for i in 0..200 {
        let key = (16, [&[9, i][..], &[0; SIZE - 2]].concat());
        fixture
            .insert((key.0, &key.1), 0, Mode::Any)
            .expect("memory does not fail");
        keys.extend((i > 0).then_some(key));
    }
    for key in &keys {
        fixture.remove_without_memory(key);
    }
    let bytes = fixture.trie.bytes() - fixture.fresh_bytes();
    assert!(bytes > 5_000, "a chain and a large node are left: {bytes}");
    let large = (16, [&[9, 7][..], &[0; SIZE - 2]].concat());
    // An operation removes a few nodes.
    for _ in 0..SIZE / 4 {
        for key in [&kept[1], &large] {
            fixture
                .insert((key.0, &key.1), 0, Mode::Any)
                .expect("memory does not fail");
            fixture.remove((key.0, &key.1)).expect("it is there");
        }
        fixture.check(true);
    }
    fixture.check(false);
    assert_eq!(
        fixture.trie.bytes(),
        fixture.fresh_bytes(),
        "it takes what a fresh one takes"
    );
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_failed_operation_changes_nothing(
        (data_size, ops) in sized_ops(),
        budgets in proptest::collection::vec(0..5usize, 1..20),
    ) {
        let mut fixture = Fixture::new(data_size);
        for (step, op) in ops.iter().enumerate() {
            let budget = budgets[step % budgets.len()];
            fixture.heap.budget = (budget < 4).then_some(budget);
            fixture.step(op, step as u64);
            fixture.check(true);
        }
        fixture.compare_content();
        fixture.remove_all();
    }

    #[test]
    fn a_table_can_be_emptied_without_memory(
        (data_size, ops) in sized_ops(), seed in any::<u64>(),
    ) {
        let mut fixture = Fixture::new(data_size);
        for (step, op) in ops.iter().enumerate() {
            if let Op::Insert((len, data), _) = op {
                let _ = fixture.insert((*len, data), step as u64, Mode::Any);
            }
        }
        let mut pick = seed | 1;
        while !fixture.model.rows.is_empty() {
            pick = pick.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let row = fixture.model.rows[(pick >> 33) as usize % fixture.model.rows.len()].clone();
            // One call of reserve succeeds, no alloc does.
            fixture.heap.budget = Some(1);
            prop_assert_eq!(
                fixture.remove((row.prefixlen, &row.data)),
                Ok(()),
                "a prefix that is there is removed",
            );
            fixture.check(true);
            let full = u32::from(data_size) * 8;
            let expected = fixture.model.longest_match((full, &row.data)).cloned();
            prop_assert_eq!(
                fixture.longest_match((full, &row.data)),
                expected,
                "shorter prefixes are uncovered",
            );
        }
        fixture.remove_all();
    }
}
