// SPDX-License-Identifier: GPL-2.0
//! Interprets a fuzzer's bytes as a sequence of operations on one trie. The targets in `fuzz/` call
//! this; the cargo tests only check that random bytes reach every operation.
//!
//! ```text
//! first byte       data size (modulo 6)
//! an operation     code (low nibble), calls of the heap that succeed (bits 5 to 7, 5 and more:
//!                  all), then a key, or 2 bytes of a row's number
//! a key            background (bits 0 and 1) and count (bits 2 to 4) of other bytes, those as
//!                  (place, byte), 2 bytes of prefixlen
//! ```
//!
//! The sequence ends where the bytes do.

use super::{
    fixture::Fixture,
    step::{Key, Op, DATA_SIZES},
};
use crate::Mode;
use std::vec;

struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u32> {
        Some(u32::from(u16::from_be_bytes([self.byte()?, self.byte()?])))
    }

    fn fixture(&mut self) -> Option<Fixture> {
        let first = self.byte()?;
        let data_size = DATA_SIZES[usize::from(first) % DATA_SIZES.len()];
        Some(Fixture::new(data_size))
    }

    fn key(&mut self, data_size: usize) -> Option<Key> {
        let head = self.byte()?;
        let mut data = vec![[0, 0xff, 0xaa, 1][usize::from(head & 3)]; data_size];
        for _ in 0..head >> 2 & 7 {
            let at = usize::from(self.byte()?) % data_size;
            data[at] = self.byte()?;
        }
        Some((self.number()? % (8 * data_size as u32 + 1), data))
    }

    /// An operation, and the heap's budget for it.
    fn op(&mut self, data_size: usize) -> Option<(Op, Option<usize>)> {
        let code = self.byte()?;
        let budget = usize::from(code >> 5);
        let op = match code & 15 {
            0..=3 => Op::Insert(self.key(data_size)?, Mode::Any),
            4 | 5 => Op::Insert(self.key(data_size)?, Mode::NoExist),
            6 => Op::Insert(self.key(data_size)?, Mode::Exist),
            7..=10 => Op::RemoveRow(self.number()? as usize),
            11 => Op::Remove(self.key(data_size)?),
            12 | 13 => Op::Lookup(self.key(data_size)?),
            _ => Op::Next(self.key(data_size)?),
        };
        Some((op, (budget < 5).then_some(budget)))
    }
}

/// Memory does not fail: after the sequence the structure is sound, and holds the model's content
/// in not many more bytes than a fresh one.
pub fn sequence(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    let Some(mut fixture) = bytes.fixture() else {
        return;
    };
    let data_size = fixture.geometry().data_size();
    let mut step = 0;
    while let Some((op, ..)) = bytes.op(data_size) {
        fixture.step(&op, step);
        step += 1;
    }
    fixture.check(false);
    fixture.compare_content();
    fixture.check_bytes();
}

/// Memory fails where the bytes say so: an operation that fails changes nothing, each one leaves a
/// sound structure, and in the end everything can be removed and no block leaks.
pub fn failing_memory(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    let Some(mut fixture) = bytes.fixture() else {
        return;
    };
    let data_size = fixture.geometry().data_size();
    let mut step = 0;
    while let Some((op, budget)) = bytes.op(data_size) {
        fixture.heap.budget = budget;
        fixture.step(&op, step);
        fixture.check(true);
        step += 1;
    }
    fixture.compare_content();
    fixture.remove_all();
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::HashSet, vec::Vec};

    #[test]
    #[cfg_attr(
        miri,
        ignore = "the property tests run the same code there, in shorter sequences"
    )]
    fn random_bytes_reach_every_operation() {
        let mut reached = HashSet::new();
        let mut random = 1u32;
        for _ in 0..20 {
            let bytes: Vec<u8> = (0..300)
                .map(|_| {
                    random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (random >> 24) as u8
                })
                .collect();
            let mut read = Bytes(&bytes);
            let fixture = read.fixture().expect("there is a first byte");
            while let Some((op, budget)) = read.op(fixture.geometry().data_size()) {
                reached.insert(std::format!("{:?}", core::mem::discriminant(&op)));
                reached.insert(std::format!("memory fails: {}", budget.is_some()));
            }
            sequence(&bytes);
            failing_memory(&bytes);
        }
        assert_eq!(
            reached.len(),
            7,
            "5 operations, memory that fails or not: {reached:?}"
        );
    }
}
