// SPDX-License-Identifier: MIT OR Apache-2.0
//! An LPM_MTRIE, an LPM_TRIE and the model, which must give the same answers.

use std::{fmt::Debug, io, thread, time::Duration};

use anyhow::{Result, ensure};
use libc::{EINVAL, ENOENT, ENOMEM};
use raw_bpf::RawMap;

use crate::{
    harness::Type,
    maps::{self, Shape},
    model::Model,
};

pub struct Three {
    mtrie: RawMap,
    trie: RawMap,
    pub model: Model,
}

impl Three {
    pub fn new(mtrie: Type, shape: Shape) -> Result<Self> {
        Ok(Self {
            mtrie: maps::create(mtrie, shape)?,
            trie: maps::create(Type::lpm_trie(), shape)?,
            model: Model::new(shape.data as usize, shape.max_entries as usize),
        })
    }

    pub fn update(&mut self, key: &[u8], value: &[u8], flags: u64) -> Result<()> {
        let want = self.model.update(key, value, flags);
        self.same(|map| map.update(key, value, flags), want)
    }

    pub fn delete(&mut self, key: &[u8]) -> Result<()> {
        let want = self.model.delete(key);
        self.same(|map| map.delete(key), want)
    }

    pub fn lookup(&self, key: &[u8], flags: u64) -> Result<()> {
        let want = match flags {
            0 => self.model.lookup(key),
            // None of these flags is valid for these maps.
            _ => Err(EINVAL),
        };
        self.same(|map| map.lookup(key, flags), want)
    }

    pub fn next_key(&self, key: Option<&[u8]>) -> Result<()> {
        self.same(|map| map.next_key(key), self.model.next_key(key))
    }

    /// Compares the whole walk, and every value on it.
    pub fn walk(&self) -> Result<()> {
        let enough = self.model.len() + 1;
        self.same(|map| map.keys(enough), Ok(self.model.keys()))?;
        let elements = |map: &RawMap| {
            let batch = map.lookup_batch(None, enough);
            match batch.result {
                Err(error) if error.raw_os_error() != Some(ENOENT) => Err(error),
                _ => Ok(batch.elements),
            }
        };
        self.same(elements, Ok(self.model.elements()))
    }

    fn same<T: PartialEq + Debug>(
        &self,
        operation: impl Fn(&RawMap) -> io::Result<T>,
        want: Result<T, i32>,
    ) -> Result<()> {
        let errno = |result: io::Result<T>| result.map_err(|e| e.raw_os_error().unwrap_or(0));
        let got = errno(operation(&self.mtrie));
        ensure!(got == want, "LPM_MTRIE gives {got:?}, the model {want:?}");
        let mut trie = errno(operation(&self.trie));
        // LPM_TRIE allocates from a pool that is refilled asynchronously, and may find it empty
        // although memory is free.
        for _ in 0..100 {
            if !matches!(trie, Err(ENOMEM)) {
                break;
            }
            thread::sleep(Duration::from_millis(1));
            trie = errno(operation(&self.trie));
        }
        ensure!(got == trie, "LPM_MTRIE gives {got:?}, LPM_TRIE {trie:?}");
        Ok(())
    }
}
