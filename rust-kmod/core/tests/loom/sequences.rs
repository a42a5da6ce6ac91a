// SPDX-License-Identifier: GPL-2.0
//! A lookup returns the longest match that its key had at some moment, whatever two updates run
//! meanwhile, and the next lookup does not return that of an earlier moment. These are the
//! sequences that a reader could mistake for a state that never was, in every kind of node and
//! where a node changes its kind.
//!
//! Under the model checker a small node has at most two items, a packed one at most five.

use super::{race, Row, World};

/// The prefixes that cover the looked-up key, and what else is in the table.
struct Case {
    key: Row,
    around: &'static [Row],
    /// As `around`, but removed again without memory: the nodes stay as large as these rows made
    /// them.
    gone: &'static [Row],
    short: Row,
    long: Row,
}

impl Case {
    /// Runs `write` on a table that has the rows `have` of this case, and had `gone`, alongside a
    /// reader who looks `looks` times: it may find the `states`, in this order.
    fn run(
        &'static self,
        (have, gone): (&[Row], &[Row]),
        looks: usize,
        states: &'static [Option<u32>],
        write: fn(&World),
    ) {
        let gone = [self.gone, gone].concat();
        let rows = [self.around, &gone, have].concat();
        let look = move |world: &World, reader: &_| {
            let mut left = states;
            for _ in 0..looks {
                let found = world.longest_match_of(reader, self.key);
                let at = left.iter().position(|state| *state == found);
                left = &left[at.unwrap_or_else(|| {
                    panic!("{found:?} is not, or no longer, one of {states:?}");
                })..];
            }
        };
        race(rows.leak(), gone.leak(), look, write);
    }
}

/// The cells of rows that are inserted while the reader looks.
const FIRST: usize = 22;
const SECOND: usize = 23;

macro_rules! case {
    ($name:ident, $case:expr) => {
        mod $name {
            use super::*;

            static CASE: Case = $case;
            const SHORT: Option<u32> = Some($case.short.0);
            const LONG: Option<u32> = Some($case.long.0);

            #[test]
            fn finds_one_while_a_longer_prefix_replaces_a_shorter() {
                CASE.run((&[CASE.short], &[]), 1, &[SHORT, LONG], |world| {
                    world.insert(CASE.long, FIRST);
                    world.remove(CASE.short);
                });
            }

            #[test]
            fn finds_one_while_a_shorter_prefix_replaces_a_longer() {
                CASE.run((&[CASE.long], &[]), 1, &[LONG, SHORT], |world| {
                    world.insert(CASE.short, FIRST);
                    world.remove(CASE.long);
                });
            }

            #[test]
            fn never_finds_a_shorter_prefix_inserted_after_a_longer() {
                CASE.run((&[], &[]), 2, &[None, LONG], |world| {
                    world.insert(CASE.long, FIRST);
                    world.insert(CASE.short, SECOND);
                });
            }

            #[test]
            fn never_finds_a_shorter_prefix_removed_before_a_longer() {
                CASE.run((&[CASE.short, CASE.long], &[]), 1, &[LONG, None], |world| {
                    world.remove(CASE.short);
                    world.remove(CASE.long);
                });
            }

            #[test]
            fn finds_reinserted_prefixes_in_order() {
                CASE.run(
                    (&[], &[CASE.short, CASE.long]),
                    2,
                    &[None, SHORT, LONG],
                    |world| {
                        world.insert(CASE.short, FIRST);
                        world.insert(CASE.long, SECOND);
                    },
                );
            }
        }
    };
}

const KEY: Row = (32, [10, 0x50, 1, 1]);
/// Its byte leads into the packed part of a full node.
const LAST: Row = (32, [10, 255, 1, 1]);

case!(
    internals_of_a_small_node,
    Case {
        key: KEY,
        around: &[],
        gone: &[],
        short: (9, [10, 0, 0, 0]),
        long: (10, [10, 0x40, 0, 0]),
    }
);
case!(
    internal_and_child_of_a_small_node,
    Case {
        key: KEY,
        around: &[],
        gone: &[],
        short: (8, [10, 0, 0, 0]),
        long: KEY,
    }
);
case!(
    internals_of_two_small_nodes,
    Case {
        key: KEY,
        around: &[(18, [10, 0x50, 0x80, 0])],
        gone: &[],
        short: (8, [10, 0, 0, 0]),
        long: (17, [10, 0x50, 0, 0]),
    }
);
case!(
    a_small_node_becomes_packed,
    Case {
        key: KEY,
        around: &[(24, [10, 0x50, 9, 0])],
        gone: &[],
        short: (9, [10, 0, 0, 0]),
        long: (10, [10, 0x40, 0, 0]),
    }
);
case!(
    internals_of_a_packed_node,
    Case {
        key: KEY,
        around: &[(16, [10, 1, 0, 0]), (16, [10, 2, 0, 0])],
        gone: &[],
        short: (9, [10, 0, 0, 0]),
        long: (10, [10, 0x40, 0, 0]),
    }
);
case!(
    internals_above_a_child_of_a_packed_node,
    Case {
        key: KEY,
        around: &[(16, [10, 1, 0, 0]), (24, [10, 0x50, 9, 0])],
        gone: &[],
        short: (9, [10, 0, 0, 0]),
        long: (10, [10, 0x40, 0, 0]),
    }
);
case!(
    internal_and_child_of_a_packed_node,
    Case {
        key: KEY,
        around: &[(16, [10, 1, 0, 0]), (16, [10, 2, 0, 0])],
        gone: &[],
        short: (8, [10, 0, 0, 0]),
        long: KEY,
    }
);
case!(
    internals_of_two_packed_nodes,
    Case {
        key: KEY,
        around: &[
            (16, [10, 1, 0, 0]),
            (16, [10, 2, 0, 0]),
            (24, [10, 0x50, 200, 0]),
            (24, [10, 0x50, 201, 0]),
            (24, [10, 0x50, 202, 0]),
        ],
        gone: &[],
        short: (8, [10, 0, 0, 0]),
        long: (17, [10, 0x50, 0, 0]),
    }
);
case!(
    internals_two_nodes_apart,
    Case {
        key: KEY,
        around: &[
            (16, [10, 1, 0, 0]),
            (24, [10, 0x50, 9, 0]),
            (26, [10, 0x50, 1, 0x80]),
        ],
        gone: &[],
        short: (8, [10, 0, 0, 0]),
        long: (25, [10, 0x50, 1, 0]),
    }
);
case!(
    a_packed_node_becomes_small,
    Case {
        key: KEY,
        around: &[],
        gone: &[(16, [10, 1, 0, 0]), (16, [10, 2, 0, 0])],
        short: (9, [10, 0, 0, 0]),
        long: (10, [10, 0x40, 0, 0]),
    }
);
case!(
    a_packed_node_becomes_full,
    Case {
        key: KEY,
        around: &[
            (16, [10, 1, 0, 0]),
            (16, [10, 2, 0, 0]),
            (16, [10, 3, 0, 0]),
            (24, [10, 0x50, 9, 0]),
        ],
        gone: &[],
        short: (14, [10, 0x50, 0, 0]),
        long: (15, [10, 0x50, 0, 0]),
    }
);
case!(
    internals_pushed_in_a_full_node,
    Case {
        key: KEY,
        around: &[
            (16, [10, 1, 0, 0]),
            (16, [10, 2, 0, 0]),
            (16, [10, 3, 0, 0]),
            (16, [10, 200, 0, 0]),
            (16, [10, 201, 0, 0]),
            (16, [10, 202, 0, 0]),
        ],
        gone: &[],
        short: (14, [10, 0x50, 0, 0]),
        long: (15, [10, 0x50, 0, 0]),
    }
);
case!(
    internals_above_a_child_of_a_full_node,
    Case {
        key: KEY,
        around: &[
            (16, [10, 1, 0, 0]),
            (16, [10, 2, 0, 0]),
            (16, [10, 3, 0, 0]),
            (16, [10, 200, 0, 0]),
            (16, [10, 201, 0, 0]),
            (24, [10, 0x50, 9, 0]),
        ],
        gone: &[],
        short: (14, [10, 0x50, 0, 0]),
        long: (15, [10, 0x50, 0, 0]),
    }
);
case!(
    internal_and_child_of_a_full_node,
    Case {
        key: KEY,
        around: &[
            (16, [10, 1, 0, 0]),
            (16, [10, 2, 0, 0]),
            (16, [10, 3, 0, 0]),
            (16, [10, 200, 0, 0]),
            (16, [10, 201, 0, 0]),
            (16, [10, 202, 0, 0]),
        ],
        gone: &[],
        short: (15, [10, 0x50, 0, 0]),
        long: KEY,
    }
);
case!(
    internal_and_exact_child_of_a_full_node,
    Case {
        key: KEY,
        around: &[
            (16, [10, 1, 0, 0]),
            (16, [10, 2, 0, 0]),
            (16, [10, 3, 0, 0]),
            (16, [10, 200, 0, 0]),
            (16, [10, 201, 0, 0]),
            (16, [10, 202, 0, 0]),
        ],
        gone: &[],
        short: (15, [10, 0x50, 0, 0]),
        long: (16, [10, 0x50, 0, 0]),
    }
);
case!(
    internals_above_the_last_byte_of_a_full_node,
    Case {
        key: LAST,
        around: &[
            (16, [10, 1, 0, 0]),
            (16, [10, 2, 0, 0]),
            (16, [10, 3, 0, 0]),
            (16, [10, 200, 0, 0]),
            (16, [10, 201, 0, 0]),
            (24, [10, 255, 9, 0]),
        ],
        gone: &[],
        short: (14, [10, 252, 0, 0]),
        long: (15, [10, 254, 0, 0]),
    }
);
case!(
    internal_and_last_child_of_a_full_node,
    Case {
        key: LAST,
        around: &[
            (16, [10, 1, 0, 0]),
            (16, [10, 2, 0, 0]),
            (16, [10, 3, 0, 0]),
            (16, [10, 200, 0, 0]),
            (16, [10, 201, 0, 0]),
            (16, [10, 202, 0, 0]),
        ],
        gone: &[],
        short: (15, [10, 254, 0, 0]),
        long: LAST,
    }
);
case!(
    internals_of_a_full_node_and_one_below,
    Case {
        key: KEY,
        around: &[
            (16, [10, 1, 0, 0]),
            (16, [10, 2, 0, 0]),
            (16, [10, 3, 0, 0]),
            (16, [10, 200, 0, 0]),
            (16, [10, 201, 0, 0]),
            (24, [10, 0x50, 200, 0]),
            (24, [10, 0x50, 201, 0]),
        ],
        gone: &[],
        short: (15, [10, 0x50, 0, 0]),
        long: (17, [10, 0x50, 0, 0]),
    }
);
case!(
    internals_of_a_full_node_and_one_above,
    Case {
        key: KEY,
        around: &[
            (16, [10, 1, 0, 0]),
            (16, [10, 2, 0, 0]),
            (16, [10, 3, 0, 0]),
            (16, [10, 200, 0, 0]),
            (16, [10, 201, 0, 0]),
            (16, [10, 202, 0, 0]),
        ],
        gone: &[],
        short: (4, [0, 0, 0, 0]),
        long: (15, [10, 0x50, 0, 0]),
    }
);
case!(
    a_key_ends_in_a_full_node,
    Case {
        key: (15, [10, 0x50, 0, 0]),
        around: &[
            (16, [10, 1, 0, 0]),
            (16, [10, 2, 0, 0]),
            (16, [10, 3, 0, 0]),
            (16, [10, 200, 0, 0]),
            (16, [10, 201, 0, 0]),
            (16, [10, 202, 0, 0]),
        ],
        gone: &[],
        short: (14, [10, 0x50, 0, 0]),
        long: (15, [10, 0x50, 0, 0]),
    }
);
case!(
    a_full_node_becomes_packed,
    Case {
        key: KEY,
        around: &[(16, [10, 1, 0, 0])],
        gone: &[
            (16, [10, 2, 0, 0]),
            (16, [10, 3, 0, 0]),
            (16, [10, 200, 0, 0]),
            (16, [10, 201, 0, 0]),
            (16, [10, 202, 0, 0]),
        ],
        short: (14, [10, 0x50, 0, 0]),
        long: (15, [10, 0x50, 0, 0]),
    }
);
case!(
    skipped_bytes_above_a_packed_node_are_split,
    Case {
        key: KEY,
        around: &[
            (24, [10, 0x50, 7, 0]),
            (24, [10, 0x50, 8, 0]),
            (24, [10, 0x50, 9, 0]),
        ],
        gone: &[],
        short: (4, [0, 0, 0, 0]),
        long: (17, [10, 0x50, 0, 0]),
    }
);
case!(
    skipped_bytes_above_a_small_node_are_split,
    Case {
        key: KEY,
        around: &[(32, [10, 0x50, 1, 2]), (32, [10, 0x50, 1, 3])],
        gone: &[],
        short: (4, [0, 0, 0, 0]),
        long: (12, [10, 0x50, 0, 0]),
    }
);
case!(
    a_node_in_front_takes_items,
    Case {
        key: KEY,
        around: &[
            (24, [10, 0x50, 7, 0]),
            (24, [10, 0x50, 8, 0]),
            (24, [10, 0x50, 9, 0]),
        ],
        gone: &[],
        short: (9, [10, 0, 0, 0]),
        long: (15, [10, 0x50, 0, 0]),
    }
);
