// SPDX-License-Identifier: MIT OR Apache-2.0
//! A slow model of an LPM map: an ordered list, searched once per prefixlen.

use std::{collections::BTreeMap, ops::Bound};

use libc::{EEXIST, EINVAL, ENOENT, ENOSPC};

use crate::prefix::Prefix;

/// BPF_ANY, BPF_NOEXIST, BPF_EXIST of uapi bpf.h.
pub const ANY: u64 = 0;
pub const NOEXIST: u64 = 1;
pub const EXIST: u64 = 2;

/// The model; errors are errnos.
pub struct Model {
    bits: u32,
    max_entries: usize,
    /// The key as last written (including bits beyond the length) and the value.
    entries: BTreeMap<Prefix, (Vec<u8>, Vec<u8>)>,
    /// Number of entries by length; a lookup tries each length present.
    lengths: BTreeMap<u32, usize>,
}

impl Model {
    pub fn new(data_size: usize, max_entries: usize) -> Self {
        Self {
            bits: data_size as u32 * 8,
            max_entries,
            entries: BTreeMap::new(),
            lengths: BTreeMap::new(),
        }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn update(&mut self, key: &[u8], value: &[u8], flags: u64) -> Result<(), i32> {
        let prefix = Prefix::from_key(key);
        if flags > EXIST || prefix.len > self.bits {
            return Err(EINVAL);
        }
        let present = self.entries.contains_key(&prefix);
        match flags {
            NOEXIST if present => return Err(EEXIST),
            EXIST if !present => return Err(ENOENT),
            _ if !present && self.entries.len() == self.max_entries => return Err(ENOSPC),
            _ => {}
        }
        if !present {
            *self.lengths.entry(prefix.len).or_default() += 1;
        }
        self.entries.insert(prefix, (key.to_vec(), value.to_vec()));
        Ok(())
    }

    pub fn delete(&mut self, key: &[u8]) -> Result<(), i32> {
        self.take(key).map(drop)
    }

    /// Deletes a prefix; its value.
    pub fn take(&mut self, key: &[u8]) -> Result<Vec<u8>, i32> {
        let prefix = Prefix::from_key(key);
        if prefix.len > self.bits {
            return Err(EINVAL);
        }
        let (_, value) = self.entries.remove(&prefix).ok_or(ENOENT)?;
        if let Some(count) = self.lengths.get_mut(&prefix.len) {
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&prefix.len);
            }
        }
        Ok(value)
    }

    /// The value of the longest prefix that covers `key`.
    pub fn lookup(&self, key: &[u8]) -> Result<Vec<u8>, i32> {
        let mut prefix = Prefix::from_key(key);
        if prefix.len > self.bits {
            return Err(ENOENT);
        }
        for len in self.lengths.range(..=prefix.len).map(|(len, _)| *len).rev() {
            prefix.len = len;
            if let Some((_, value)) = self.entries.get(&prefix) {
                return Ok(value.clone());
            }
        }
        Err(ENOENT)
    }

    /// Overwrites the value that a lookup of `key` finds, as programs may.
    pub fn write_found(&mut self, key: &[u8], value: &[u8]) {
        let wanted = Prefix::from_key(key);
        let covering = self
            .entries
            .iter_mut()
            .filter(|(prefix, _)| prefix.covers(&wanted));
        if let Some((_, (_, found))) = covering.max_by_key(|(prefix, _)| prefix.len) {
            *found = value.to_vec();
        }
    }

    /// The key after `key`; for none or an unknown one, the first key.
    pub fn next_key(&self, key: Option<&[u8]>) -> Result<Vec<u8>, i32> {
        let known = key
            .map(Prefix::from_key)
            .filter(|prefix| prefix.len <= self.bits && self.entries.contains_key(prefix));
        let next = match known {
            Some(prefix) => self
                .entries
                .range((Bound::Excluded(prefix), Bound::Unbounded))
                .next(),
            None => self.entries.iter().next(),
        };
        next.map(|(_, (key, _))| key.clone()).ok_or(ENOENT)
    }

    /// The element that follows `position` in order, whether or not that is there; the first one
    /// for none.
    pub fn after(&self, position: Option<&[u8]>) -> Result<(Vec<u8>, Vec<u8>), i32> {
        let start = match position.map(Prefix::from_key) {
            Some(prefix) if prefix.len > self.bits => return Err(EINVAL),
            Some(prefix) => Bound::Excluded(prefix),
            None => Bound::Unbounded,
        };
        let mut rest = self.entries.range((start, Bound::Unbounded));
        rest.next()
            .map(|(_, element)| element.clone())
            .ok_or(ENOENT)
    }

    /// An existing key: the first one at or after `key`, or else the first of all.
    pub fn some_key(&self, key: &[u8]) -> Option<Vec<u8>> {
        let near = self.entries.range(Prefix::from_key(key)..).next();
        near.or_else(|| self.entries.iter().next())
            .map(|(_, (key, _))| key.clone())
    }

    /// Keys as written and values, in iteration order.
    pub fn elements(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.entries.values().cloned().collect()
    }

    /// Keys as written, in iteration order.
    pub fn keys(&self) -> Vec<Vec<u8>> {
        self.entries.values().map(|(key, _)| key.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prefix::v4;

    #[test]
    fn longest_match_and_errnos() {
        let mut model = Model::new(4, 2);
        assert_eq!(
            model.update(&v4([10, 0, 0, 0], 8), &[1], EXIST),
            Err(ENOENT)
        );
        model.update(&v4([10, 0, 0, 0], 8), &[1], ANY).unwrap();
        model.update(&v4([10, 1, 0, 0], 16), &[2], NOEXIST).unwrap();
        assert_eq!(
            model.update(&v4([10, 1, 0, 0], 16), &[3], NOEXIST),
            Err(EEXIST)
        );
        assert_eq!(model.update(&v4([11, 0, 0, 0], 8), &[3], ANY), Err(ENOSPC));
        assert_eq!(model.lookup(&v4([10, 1, 2, 3], 32)), Ok(vec![2]));
        assert_eq!(model.lookup(&v4([10, 1, 2, 3], 15)), Ok(vec![1]));
        assert_eq!(model.lookup(&v4([11, 1, 2, 3], 32)), Err(ENOENT));
        assert_eq!(model.delete(&v4([10, 0, 0, 0], 33)), Err(EINVAL));
        assert_eq!(model.next_key(None), Ok(v4([10, 1, 0, 0], 16)));
        assert_eq!(model.next_key(Some(&v4([10, 0, 0, 0], 8))), Err(ENOENT));
    }
}
