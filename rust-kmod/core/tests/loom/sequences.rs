// SPDX-License-Identifier: GPL-2.0
//! A lookup returns the longest match that its key had at some moment, whatever two updates run
//! meanwhile: the four sequences that a reader could mistake for a state that never was, in every
//! kind of node.

use super::{beside, World};

type Row = (u32, [u8; 4]);

/// What the looked-up key is covered by, and what else is in the table.
struct Case {
    direct: bool,
    around: &'static [Row],
    short: Row,
    long: Row,
}

const KEY: [u8; 4] = [10, 0x50, 1, 1];

impl Case {
    /// Runs `write` on a table that has the rows `have` of this case, next to a reader who must
    /// find one of `allowed`.
    fn run(
        &'static self,
        have: &[Row],
        allowed: &'static [Option<u32>],
        write: impl Fn(&World) + Send + Sync + 'static,
    ) {
        let rows: Vec<Row> = self.around.iter().chain(have).copied().collect();
        let look = move |world: &World, reader: &_| {
            let found = world.longest_match(reader, KEY);
            assert!(
                allowed.contains(&found),
                "never the longest match meanwhile: {found:?}"
            );
        };
        beside(rows.leak(), self.direct, look, write);
    }

    fn insert(&self, world: &World, (len, data): Row, cell: usize) {
        world.insert(len, data, cell);
    }

    fn remove(&self, world: &World, (len, data): Row) {
        world.remove(len, data, false);
    }
}

/// The cells of rows that are inserted under the reader.
const FIRST: usize = 14;
const SECOND: usize = 15;

macro_rules! case {
    ($name:ident, $case:expr) => {
        mod $name {
            use super::*;

            static CASE: Case = $case;
            const SHORT: Option<u32> = Some($case.short.0);
            const LONG: Option<u32> = Some($case.long.0);

            #[test]
            fn a_longer_one_comes_and_the_shorter_one_goes() {
                CASE.run(&[CASE.short], &[SHORT, LONG], |world| {
                    CASE.insert(world, CASE.long, FIRST);
                    CASE.remove(world, CASE.short);
                });
            }

            #[test]
            fn a_shorter_one_comes_and_the_longer_one_goes() {
                CASE.run(&[CASE.long], &[SHORT, LONG], |world| {
                    CASE.insert(world, CASE.short, FIRST);
                    CASE.remove(world, CASE.long);
                });
            }

            #[test]
            fn a_longer_one_comes_before_a_shorter_one() {
                CASE.run(&[], &[None, LONG], |world| {
                    CASE.insert(world, CASE.long, FIRST);
                    CASE.insert(world, CASE.short, SECOND);
                });
            }

            #[test]
            fn the_shorter_one_goes_before_the_longer_one() {
                CASE.run(&[CASE.short, CASE.long], &[None, LONG], |world| {
                    CASE.remove(world, CASE.short);
                    CASE.remove(world, CASE.long);
                });
            }
        }
    };
}

case!(
    internals_of_a_packed_node,
    Case {
        direct: false,
        around: &[],
        short: (9, [10, 0, 0, 0]),
        long: (10, [10, 0x40, 0, 0]),
    }
);
case!(
    internal_and_child_of_a_packed_node,
    Case {
        direct: false,
        around: &[],
        short: (8, [10, 0, 0, 0]),
        long: (32, KEY),
    }
);
case!(
    internals_of_two_packed_nodes,
    Case {
        direct: false,
        around: &[(18, [10, 0x50, 0x80, 0])],
        short: (8, [10, 0, 0, 0]),
        long: (17, [10, 0x50, 0, 0]),
    }
);
case!(
    internals_of_a_grouped_node,
    Case {
        direct: false,
        around: &[
            (16, [10, 1, 0, 0]),
            (16, [10, 2, 0, 0]),
            (16, [10, 200, 0, 0]),
        ],
        short: (9, [10, 0, 0, 0]),
        long: (10, [10, 0x40, 0, 0]),
    }
);
case!(
    internal_and_child_of_a_grouped_node,
    Case {
        direct: false,
        around: &[
            (16, [10, 1, 0, 0]),
            (16, [10, 2, 0, 0]),
            (16, [10, 200, 0, 0]),
        ],
        short: (8, [10, 0, 0, 0]),
        long: (32, KEY),
    }
);
case!(
    internals_of_two_grouped_nodes,
    Case {
        direct: false,
        around: &[
            (16, [10, 1, 0, 0]),
            (16, [10, 2, 0, 0]),
            (24, [10, 0x50, 200, 0]),
            (24, [10, 0x50, 201, 0]),
            (24, [10, 0x50, 202, 0]),
        ],
        short: (8, [10, 0, 0, 0]),
        long: (17, [10, 0x50, 0, 0]),
    }
);
case!(
    internals_two_nodes_apart,
    Case {
        direct: false,
        around: &[
            (16, [10, 1, 0, 0]),
            (24, [10, 0x50, 9, 0]),
            (26, [10, 0x50, 1, 0x80]),
        ],
        short: (8, [10, 0, 0, 0]),
        long: (25, [10, 0x50, 1, 0]),
    }
);
case!(
    short_ones_in_a_word_of_a_direct_root,
    Case {
        direct: true,
        around: &[],
        short: (4, [0, 0, 0, 0]),
        long: (6, [8, 0, 0, 0]),
    }
);
case!(
    short_ones_in_two_words_of_a_direct_root,
    Case {
        direct: true,
        around: &[],
        short: (0, [0, 0, 0, 0]),
        long: (5, [8, 0, 0, 0]),
    }
);
case!(
    short_one_and_child_of_a_direct_root,
    Case {
        direct: true,
        around: &[],
        short: (6, [8, 0, 0, 0]),
        long: (32, KEY),
    }
);
case!(
    short_one_and_internal_below_a_direct_root,
    Case {
        direct: true,
        around: &[
            (16, [10, 1, 0, 0]),
            (16, [10, 2, 0, 0]),
            (16, [10, 200, 0, 0]),
        ],
        short: (6, [8, 0, 0, 0]),
        long: (10, [10, 0x40, 0, 0]),
    }
);
