// SPDX-License-Identifier: GPL-2.0
//! The bitmap arithmetic, for all inputs, against definitions that go item by item.

use crate::{
    packed::Shape,
    stride::{base_index, following, longest, longest_from, next_in, set, test, Bitmap, Items},
};
use proptest::prelude::*;
use std::{vec, vec::Vec};

#[test]
fn base_indexes_are_a_heap() {
    assert_eq!(
        base_index(0xff, 0),
        1,
        "the empty prefix is the heap's root"
    );
    assert_eq!(base_index(0b1010_0000, 3), 0b1101, "1 << len | bits");
    assert_eq!(
        base_index(0xff, 7),
        255,
        "the last one of seven bits is the last index"
    );
    for byte in 0..=255u8 {
        for len in 1..8 {
            assert_eq!(
                base_index(byte, len) >> 1,
                base_index(byte, len - 1),
                "a shorter prefix is the parent"
            );
        }
    }
}

#[test]
fn a_single_internal_prefix_is_found_for_what_it_covers() {
    for len in 0..8u32 {
        for value in 0..1u32 << len {
            let index = (1 << len | value) as u8;
            let mut map: Bitmap = [0; 4];
            set(&mut map, index);
            for byte in 0..=255u8 {
                let covered = u32::from(byte) >> (8 - len) == value;
                assert_eq!(
                    longest(&map, byte),
                    if covered { index } else { 0 },
                    "/{len} {value:#x} for {byte:#x}"
                );
            }
        }
    }
}

fn bitmap() -> impl Strategy<Value = Bitmap> {
    (any::<Bitmap>(), any::<Bitmap>(), any::<bool>()).prop_map(|(a, b, thin)| {
        let mut map = a;
        for (word, other) in map.iter_mut().zip(b) {
            *word &= if thin {
                other & other.rotate_left(7) & other.rotate_left(29)
            } else {
                !0
            };
        }
        map
    })
}

impl Items for Shape {
    fn has_internals(&self) -> bool {
        self.internal != [0; 4]
    }

    fn has_internal(&self, index: u8) -> bool {
        test(&self.internal, index)
    }

    fn next_internal(&self, from: u32, end: u32) -> Option<u32> {
        next_in(&self.internal, from, end)
    }

    fn next_child(&self, from: u32) -> Option<u32> {
        next_in(&self.child, from, 256)
    }
}

/// Items in post-order, by recursion.
fn post_order(internal: &Bitmap, child: &Bitmap, at: u32, to: &mut Vec<u32>) {
    if at < 256 {
        post_order(internal, child, 2 * at, to);
        post_order(internal, child, 2 * at + 1, to);
    }
    let there = if at < 256 {
        test(internal, at as u8)
    } else {
        test(child, (at & 255) as u8)
    };
    if there {
        to.push(at);
    }
}

proptest! {
    #![proptest_config(super::strategy::config())]

    #[test]
    fn the_longest_is_the_first_set_one_towards_the_root(
        mut map in bitmap(), byte: u8, len in 0..8u32,
    ) {
        map[0] &= !1;
        let slow = |len| {
            let indexes = (0..=len).rev().map(|len| base_index(byte, len));
            indexes.into_iter().find(|index| test(&map, *index)).unwrap_or(0)
        };
        prop_assert_eq!(longest(&map, byte), slow(7), "longest");
        prop_assert_eq!(longest_from(&map, base_index(byte, len)), slow(len), "longest up to {} bits", len);
    }

    #[test]
    fn following_is_post_order(mut internal in bitmap(), child in bitmap()) {
        internal[0] &= !1;
        let shape = Shape { internal, child };
        let mut expected = vec![];
        post_order(&internal, &child, 1, &mut expected);
        let mut walked = vec![];
        let mut at = following(&shape, 0);
        while at != 0 && walked.len() <= expected.len() {
            walked.push(at);
            at = following(&shape, at);
        }
        prop_assert_eq!(walked, expected, "following an item, then the next");
        let mut bare = vec![];
        post_order(&[!1, !0, !0, !0], &[!0; 4], 1, &mut bare);
        for (i, at) in bare.iter().enumerate().step_by(17) {
            let next = bare[i + 1..].iter().copied().find(|at| {
                if *at < 256 { test(&internal, *at as u8) } else { test(&child, (*at & 255) as u8) }
            });
            prop_assert_eq!(
                following(&shape, *at),
                next.unwrap_or(0),
                "after {}, whether or not it is there",
                at,
            );
        }
    }
}
