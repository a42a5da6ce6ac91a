// SPDX-License-Identifier: GPL-2.0
//! The distributions of random tests: keys that collide, nest, share long beginnings, and end near
//! byte boundaries.

use super::step::{Key, Op, DATA_SIZES};
use crate::Mode;
use proptest::{prelude::*, sample::select};
use std::{vec, vec::Vec};

/// Cases per property: fewer under Miri, which is several thousand times slower.
pub(super) fn config() -> ProptestConfig {
    // PROPTEST_CASES changes the number.
    let default = ProptestConfig::default();
    let cases = if cfg!(miri) { 3 } else { default.cases };
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..default
    }
}

/// Operations per case.
pub(super) const STEPS: usize = if cfg!(miri) { 30 } else { 120 };

/// A key: a background byte, up to three bytes of another value, and a prefixlen that tends to end
/// near those.
pub(super) fn prefix(data_size: u16) -> impl Strategy<Value = Key> {
    let size = usize::from(data_size);
    let flips = proptest::collection::vec(
        (
            0..size,
            select(vec![0u8, 1, 2, 0x40, 0x7f, 0x80, 0xc0, 0xff]),
        ),
        0..4,
    );
    let max = u32::from(data_size) * 8;
    (
        select(vec![0u8, 0, 0xff, 0xaa]),
        flips,
        0..=max,
        0..4u8,
        0..=18u32,
    )
        .prop_map(move |(back, flips, any, how, near)| {
            let mut data = vec![back; size];
            for (at, byte) in &flips {
                data[*at] = *byte;
            }
            let last = flips.last().map_or(0, |(at, _)| *at as u32 * 8);
            let prefixlen = match how {
                0 => any,
                1 => any / 8 * 8,
                2 => max,
                _ => (last + near).min(max),
            };
            (prefixlen, data)
        })
}

pub(super) fn prefixes(data_size: u16, most: usize) -> impl Strategy<Value = Vec<Key>> {
    proptest::collection::vec(prefix(data_size), 0..most)
}

/// A dense key: few bits vary, so that nodes fill up.
pub(super) fn dense(data_size: u16) -> impl Strategy<Value = Key> {
    let max = u32::from(data_size) * 8;
    (any::<u16>(), 0..=16u32).prop_map(move |(bits, len)| {
        let mut data = vec![0; usize::from(data_size)];
        let at = data.len().saturating_sub(2) / 2;
        for (to, from) in data[at..].iter_mut().zip(bits.to_be_bytes()) {
            *to = from & 0xf7;
        }
        ((at as u32 * 8 + len).min(max), data)
    })
}

pub(super) fn ops(data_size: u16) -> impl Strategy<Value = Vec<Op>> {
    let key = || prop_oneof![3 => prefix(data_size), 2 => dense(data_size)];
    let mode = select(vec![Mode::Any, Mode::Any, Mode::NoExist, Mode::Exist]);
    let op = prop_oneof![
        6 => (key(), mode).prop_map(|(key, mode)| Op::Insert(key, mode)),
        4 => any::<usize>().prop_map(Op::RemoveRow),
        1 => key().prop_map(Op::Remove),
        3 => key().prop_map(Op::Lookup),
        1 => key().prop_map(Op::Next),
    ];
    proptest::collection::vec(op, 0..STEPS)
}

/// A data size, and operations on keys of that size.
pub(super) fn sized_ops() -> impl Strategy<Value = (u16, Vec<Op>)> {
    select(&DATA_SIZES[..]).prop_flat_map(|size| (Just(size), ops(size)))
}
