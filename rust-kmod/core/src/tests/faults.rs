// SPDX-License-Identifier: GPL-2.0
//! Memory fails at every point: an operation that fails changes nothing, a removal succeeds all the
//! same, and nothing is lost.

use super::{
    fixture::fixture,
    strategy::{config, sized_ops, Op},
};
use crate::{Error, Mode};
use proptest::prelude::*;

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_failed_operation_changes_nothing(
        (data_size, ops) in sized_ops(), direct: bool,
        budgets in proptest::collection::vec(0..5usize, 1..20),
    ) {
        let mut fixture = fixture(data_size, direct);
        for (step, op) in ops.iter().enumerate() {
            let budget = budgets[step % budgets.len()];
            fixture.heap.budget = (budget < 4).then_some(budget);
            let (before, bytes) = (fixture.walk(), fixture.trie.bytes());
            let result = match op {
                Op::Insert((len, data), mode) => {
                    let expected = fixture.expected((*len, data), *mode);
                    let result = fixture.insert((*len, data), step as u64, *mode);
                    prop_assert!(
                        result == expected || result == Err(Error::NoMemory),
                        "{result:?} instead of {expected:?}",
                    );
                    result.map(|_| ())
                }
                Op::RemoveRow(i) => match i.checked_rem(fixture.model.rows.len()) {
                    Some(i) => {
                        let row = fixture.model.rows[i].clone();
                        let result = fixture.remove((row.prefixlen, &row.data));
                        let reserve_worked = budget > 0;
                        prop_assert_eq!(
                            result.is_ok(),
                            reserve_worked,
                            "only reserve makes a removal fail: {:?}",
                            result,
                        );
                        result
                    }
                    None => Ok(()),
                },
                Op::Remove((len, data)) | Op::Lookup((len, data)) | Op::Next((len, data)) => {
                    let expected = fixture.model.longest_match((*len, data)).cloned();
                    prop_assert_eq!(
                        fixture.longest_match((*len, data)),
                        expected,
                        "longest match of /{}",
                        len,
                    );
                    let expected = fixture.model.next((*len, data)).cloned();
                    prop_assert_eq!(
                        fixture.next(Some((*len, data))),
                        expected,
                        "next after /{}",
                        len,
                    );
                    Ok(())
                }
            };
            if result.is_err() {
                prop_assert_eq!(fixture.heap.retired(), 0, "nothing was retired");
                prop_assert_eq!(fixture.walk(), before, "the content is as it was");
                prop_assert_eq!(fixture.trie.bytes(), bytes, "the bytes are as they were");
            }
            fixture.check(true);
        }
        prop_assert_eq!(
            fixture.walk(),
            fixture.model.rows.clone(),
            "the walk passes over vacant slots",
        );
        fixture.heap.budget = None;
        for row in fixture.model.rows.clone() {
            prop_assert_eq!(
                fixture.remove((row.prefixlen, &row.data)),
                Ok(()),
                "a prefix that is there goes",
            );
            fixture.check(true);
        }
        prop_assert_eq!(fixture.trie.bytes(), fixture.empty_bytes(), "an empty trie holds nothing");
    }

    #[test]
    fn a_table_can_be_emptied_without_any_memory(
        (data_size, ops) in sized_ops(), direct: bool, seed in any::<u64>(),
    ) {
        let mut fixture = fixture(data_size, direct);
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
                "a prefix that is there goes",
            );
            fixture.check(true);
            let full = u32::from(data_size) * 8;
            let expected = fixture.model.longest_match((full, &row.data)).cloned();
            prop_assert_eq!(
                fixture.longest_match((full, &row.data)),
                expected,
                "shorter prefixes shine through",
            );
        }
        prop_assert_eq!(fixture.trie.bytes(), fixture.empty_bytes(), "an empty trie holds nothing");
    }
}
