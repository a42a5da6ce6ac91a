// SPDX-License-Identifier: GPL-2.0
//! Sequences of operations do what the golden model does, and leave a sound structure after each
//! step.

use super::{
    fixture::Fixture,
    step::Op,
    strategy::{config, sized_ops},
};
use crate::Mode;
use proptest::prelude::*;

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_sequence_does_what_the_model_does((data_size, ops) in sized_ops()) {
        let mut fixture = Fixture::new(data_size);
        for (step, op) in ops.iter().enumerate() {
            fixture.step(op, step as u64);
            fixture.check(false);
        }
        fixture.compare_content();
        fixture.check_bytes();
    }

    #[test]
    fn a_full_table_refuses_new_prefixes_only(
        (data_size, ops) in sized_ops(), max in 0..20u64,
    ) {
        let mut fixture = Fixture::new(data_size);
        fixture.max_entries = max;
        for (step, op) in ops.iter().enumerate() {
            fixture.step(op, step as u64);
            prop_assert!(fixture.trie.len() <= max, "never more than {} entries", max);
        }
        fixture.check(false);
    }

    #[test]
    fn growing_and_shrinking_leaves_no_bytes((data_size, ops) in sized_ops()) {
        let mut fixture = Fixture::new(data_size);
        for (step, op) in ops.iter().enumerate() {
            if let Op::Insert((len, data), _) = op {
                let _ = fixture.insert((*len, data), step as u64, Mode::Any);
            }
        }
        // Every second row, then the rest, so that nodes shrink in both halves.
        for start in [1, 0] {
            let step = start + 1;
            let rows = fixture.model.rows.iter().skip(start).step_by(step);
            let rows: std::vec::Vec<_> = rows.cloned().collect();
            for row in rows {
                prop_assert_eq!(
                    fixture.remove((row.prefixlen, &row.data)),
                    Ok(()),
                    "a prefix that is there is removed",
                );
                fixture.check(false);
            }
            fixture.check_bytes();
        }
        prop_assert_eq!(fixture.trie.bytes(), 0, "an empty trie holds nothing");
    }
}
