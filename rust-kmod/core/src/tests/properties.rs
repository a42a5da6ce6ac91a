// SPDX-License-Identifier: GPL-2.0
//! Sequences of operations do what the golden model does, and leave a sound and canonical structure
//! after each step.

use super::{
    fixture::{fixture, Fixture},
    strategy::{config, sized_ops, Op},
};
use crate::{Error, Mode};
use proptest::prelude::*;

fn run(fixture: &mut Fixture, step: u64, op: &Op) -> Result<(), TestCaseError> {
    match op {
        Op::Insert((len, data), mode) => {
            let expected = fixture.expected((*len, data), *mode);
            prop_assert_eq!(
                fixture.insert((*len, data), step, *mode),
                expected,
                "insert /{} with {:?}",
                len,
                mode
            );
        }
        Op::RemoveRow(i) => {
            if let Some(i) = i.checked_rem(fixture.model.rows.len()) {
                let row = fixture.model.rows[i].clone();
                prop_assert_eq!(
                    fixture.remove((row.prefixlen, &row.data)),
                    Ok(()),
                    "a prefix that is there goes"
                );
            }
        }
        Op::Remove((len, data)) => {
            let there = fixture.model.position((*len, data)).is_ok();
            let expected = if there { Ok(()) } else { Err(Error::Missing) };
            prop_assert_eq!(fixture.remove((*len, data)), expected, "remove /{}", len);
        }
        Op::Lookup((len, data)) => {
            let expected = fixture.model.longest_match((*len, data)).cloned();
            prop_assert_eq!(
                fixture.longest_match((*len, data)),
                expected,
                "longest match of /{}",
                len
            );
        }
        Op::Next((len, data)) => {
            let expected = fixture.model.next((*len, data)).cloned();
            prop_assert_eq!(
                fixture.next(Some((*len, data))),
                expected,
                "next after /{}",
                len
            );
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_sequence_does_what_the_model_does((data_size, ops) in sized_ops(), direct: bool) {
        let mut fixture = fixture(data_size, direct);
        for (step, op) in ops.iter().enumerate() {
            run(&mut fixture, step as u64, op)?;
            fixture.check(false);
        }
        prop_assert_eq!(
            fixture.walk(),
            fixture.model.rows.clone(),
            "the walk is in LPM_TRIE's order",
        );
        for row in fixture.model.rows.clone() {
            let full = u32::from(data_size) * 8;
            let expected = fixture.model.longest_match((full, &row.data)).cloned();
            prop_assert_eq!(
                fixture.longest_match((full, &row.data)),
                expected,
                "each row's data is looked up",
            );
        }
        prop_assert_eq!(
            fixture.trie.bytes(),
            fixture.fresh_bytes(),
            "it holds what a fresh one holds",
        );
    }

    #[test]
    fn a_full_table_refuses_new_prefixes_only(
        (data_size, ops) in sized_ops(), direct: bool, max in 0..20u64,
    ) {
        let mut fixture = fixture(data_size, direct);
        fixture.max_entries = max;
        for (step, op) in ops.iter().enumerate() {
            run(&mut fixture, step as u64, op)?;
            prop_assert!(fixture.trie.len() <= max, "never more than {} entries", max);
        }
        fixture.check(false);
    }

    #[test]
    fn growing_and_shrinking_leaves_nothing_behind((data_size, ops) in sized_ops(), direct: bool) {
        let mut fixture = fixture(data_size, direct);
        for (step, op) in ops.iter().enumerate() {
            if let Op::Insert((len, data), _) = op {
                let _ = fixture.insert((*len, data), step as u64, Mode::Any);
            }
        }
        // Every second one, then the rest, so that nodes shrink in both halves.
        for start in [1, 0] {
            let step = start + 1;
            let rows = fixture.model.rows.iter().skip(start).step_by(step);
            let rows: std::vec::Vec<_> = rows.cloned().collect();
            for row in rows {
                prop_assert_eq!(
                    fixture.remove((row.prefixlen, &row.data)),
                    Ok(()),
                    "a prefix that is there goes",
                );
                fixture.check(false);
            }
            prop_assert_eq!(
                fixture.trie.bytes(),
                fixture.fresh_bytes(),
                "it holds what a fresh one holds",
            );
        }
        prop_assert_eq!(fixture.trie.bytes(), fixture.empty_bytes(), "an empty trie holds nothing");
    }
}
