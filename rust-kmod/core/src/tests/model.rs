// SPDX-License-Identifier: GPL-2.0
//! The golden model: a vector, searched from end to end, kept in get_next_key order by a bitwise
//! comparison.

use core::cmp::Ordering;
use std::vec::Vec;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) prefixlen: u32,
    pub(super) data: Vec<u8>,
    pub(super) value: u64,
}

pub(super) fn bit(data: &[u8], i: u32) -> bool {
    data[(i / 8) as usize] >> (7 - i % 8) & 1 != 0
}

/// Post-order: at the first difference the 0-branch comes first; a prefix comes after those that it
/// covers.
pub(super) fn order(a: (u32, &[u8]), b: (u32, &[u8])) -> Ordering {
    for i in 0..a.0.min(b.0) {
        match (bit(a.1, i), bit(b.1, i)) {
            (false, true) => return Ordering::Less,
            (true, false) => return Ordering::Greater,
            _ => {}
        }
    }
    b.0.cmp(&a.0)
}

fn covers(row: &Row, key: (u32, &[u8])) -> bool {
    row.prefixlen <= key.0 && (0..row.prefixlen).all(|i| bit(&row.data, i) == bit(key.1, i))
}

#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub(super) rows: Vec<Row>,
}

impl Model {
    pub(super) fn position(&self, key: (u32, &[u8])) -> Result<usize, usize> {
        for (i, row) in self.rows.iter().enumerate() {
            match order((row.prefixlen, &row.data), key) {
                Ordering::Less => {}
                Ordering::Equal => return Ok(i),
                Ordering::Greater => return Err(i),
            }
        }
        Err(self.rows.len())
    }

    pub(super) fn insert(&mut self, row: Row) {
        match self.position((row.prefixlen, &row.data)) {
            Ok(i) => self.rows[i] = row,
            Err(i) => self.rows.insert(i, row),
        }
    }

    pub(super) fn remove(&mut self, key: (u32, &[u8])) -> bool {
        self.position(key).map(|i| self.rows.remove(i)).is_ok()
    }

    pub(super) fn longest_match(&self, key: (u32, &[u8])) -> Option<&Row> {
        self.rows
            .iter()
            .filter(|row| covers(row, key))
            .max_by_key(|row| row.prefixlen)
    }

    pub(super) fn next(&self, key: (u32, &[u8])) -> Option<&Row> {
        match self.position(key) {
            Ok(i) => self.rows.get(i + 1),
            Err(_) => self.rows.first(),
        }
    }
}
