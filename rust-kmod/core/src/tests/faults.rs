// SPDX-License-Identifier: GPL-2.0
//! Memory fails at every point: an operation that fails changes nothing, a removal succeeds all the
//! same, and nothing is lost.

use super::{
    fixture::fixture,
    step::Op,
    strategy::{config, sized_ops},
};
use crate::Mode;
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
            fixture.step(op, step as u64);
            fixture.check(true);
        }
        fixture.compare_content();
        fixture.remove_all();
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
