// SPDX-License-Identifier: GPL-2.0
//! One operation on a trie and on the model, whose results are compared. Property tests and fuzz
//! targets build their sequences from these.

use super::fixture::Fixture;
use crate::{Error, Mode};
use std::{vec, vec::Vec};

/// Key sizes of the sequences, in bytes.
pub(super) const DATA_SIZES: [u16; 9] = [1, 3, 4, 8, 16, 17, 20, 33, 256];

pub(super) type Key = (u32, Vec<u8>);

#[derive(Clone, Debug)]
pub(super) enum Op {
    Insert(Key, Mode),
    /// Removes the model's row with this number, modulo their count.
    RemoveRow(usize),
    Remove(Key),
    Lookup(Key),
    Next(Key),
}

impl Fixture {
    /// Performs `op`, with `value` if it is an insertion, and panics unless trie and model agree.
    /// If the heap has a budget, an update may run out of memory, and then must have changed
    /// nothing.
    pub(super) fn step(&mut self, op: &Op, value: u64) {
        let before = self.heap.budget.map(|_| (self.walk(), self.trie.bytes()));
        let result = match op {
            Op::Insert((len, data), mode) => {
                let expected = self.expected((*len, data), *mode);
                let result = self.insert((*len, data), value, *mode);
                let no_memory = before.is_some() && result == Err(Error::NoMemory);
                assert!(
                    result == expected || no_memory,
                    "insert /{len} with {mode:?}: {result:?} instead of {expected:?}"
                );
                result.map(|_| ())
            }
            Op::RemoveRow(i) => match i.checked_rem(self.model.rows.len()) {
                Some(i) => {
                    let row = self.model.rows[i].clone();
                    self.remove_step((row.prefixlen, &row.data))
                }
                None => Ok(()),
            },
            Op::Remove((len, data)) => self.remove_step((*len, data)),
            Op::Lookup((len, data)) => {
                let expected = self.model.longest_match((*len, data)).cloned();
                assert_eq!(
                    self.longest_match((*len, data)),
                    expected,
                    "longest match of /{len}"
                );
                Ok(())
            }
            Op::Next((len, data)) => {
                let expected = self.model.next((*len, data)).cloned();
                assert_eq!(self.next(Some((*len, data))), expected, "next after /{len}");
                let rest = match self.model.position((*len, data)) {
                    Ok(i) => i + 1,
                    Err(i) => i,
                };
                assert_eq!(
                    self.walk_from((*len, data), 1 + value as usize % 7),
                    self.model.rows[rest..],
                    "a walk from /{len} visits what follows it, whether or not it is there"
                );
                Ok(())
            }
        };
        if let (Err(_), Some((rows, bytes))) = (result, before) {
            assert_eq!(self.heap.retired(), 0, "nothing was retired");
            assert_eq!(self.walk(), rows, "the content is as it was");
            assert_eq!(self.trie.bytes(), bytes, "the bytes are as they were");
        }
    }

    fn remove_step(&mut self, key: (u32, &[u8])) -> Result<(), Error> {
        let expected = match (self.model.position(key), self.heap.budget) {
            (Err(_), _) => Err(Error::Missing),
            (Ok(_), Some(0)) => Err(Error::NoMemory),
            (Ok(_), _) => Ok(()),
        };
        let result = self.remove(key);
        assert_eq!(result, expected, "remove /{}", key.0);
        result
    }

    /// Compares everything that the trie holds, in order, and a lookup of each row's data.
    pub(super) fn compare_content(&self) {
        assert_eq!(
            self.walk(),
            self.model.rows,
            "the walk is in LPM_TRIE's order and passes over vacant slots"
        );
        for row in &self.model.rows {
            let full = 8 * row.data.len() as u32;
            assert_eq!(
                self.longest_match((full, &row.data)).as_ref(),
                self.model.longest_match((full, &row.data)),
                "each row's data is looked up"
            );
        }
    }

    /// Removes every row, with unlimited memory; nothing may be left.
    pub(super) fn remove_all(&mut self) {
        self.heap.budget = None;
        // What removals without memory left is cleaned up by the next removal at the latest.
        let data = vec![0; self.geometry().data_size()];
        self.insert((0, &data), 0, Mode::Any)
            .expect("memory does not fail");
        while let Some(row) = self.model.rows.first().cloned() {
            assert_eq!(
                self.remove((row.prefixlen, &row.data)),
                Ok(()),
                "a prefix that is there is removed"
            );
            self.check(true);
        }
        assert_eq!(self.trie.bytes(), 0, "an empty trie holds nothing");
    }
}
