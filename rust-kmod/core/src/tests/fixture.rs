// SPDX-License-Identifier: GPL-2.0
//! A trie with its heap and its model, driven together and compared after each step.

use super::{
    check::check,
    heap::Heap,
    model::{Model, Row},
};
use crate::{Entry, Error, Geometry, Memory, Mode, NewEntry, Outcome, Prefix, Reader, Trie};
use std::vec::Vec;

/// Why no reader is disturbed here.
const NO_WRITER: &str = "there is no writer";

pub(super) struct Fixture {
    pub(super) trie: Trie,
    pub(super) heap: Heap,
    pub(super) model: Model,
    pub(super) max_entries: u64,
}

pub(super) fn row(entry: &Entry<'_>, data_size: usize) -> Row {
    let data: Vec<u8> = entry.data().collect();
    assert_eq!(data.len(), data_size, "an entry has the data of a key");
    assert!(entry.has_data(&data), "an entry has the data that it gives");
    let (stored, beyond) = data.split_at(entry.stored_data().len());
    assert!(
        stored == entry.stored_data() && beyond.iter().all(|byte| *byte == 0),
        "the data that is not stored is zeroes"
    );
    // SAFETY: fixtures use values of 8 bytes, written before insertion and not changed.
    let value = unsafe { entry.value_ptr().cast::<u64>().read() };
    Row {
        prefixlen: entry.prefixlen(),
        data,
        value,
    }
}

impl Fixture {
    pub(super) fn new(data_size: u16) -> Self {
        let trie = Trie::new(Geometry::new(data_size, 8).expect("the size is valid"));
        Self {
            trie,
            heap: Heap::default(),
            model: Model::default(),
            max_entries: u64::MAX,
        }
    }

    pub(super) fn geometry(&self) -> Geometry {
        *self.trie.geometry()
    }

    /// An entry block with `value`, from memory that does not fail.
    fn entry(&mut self, prefix: Prefix<'_>, value: u64) -> NewEntry {
        let budget = self.heap.budget.take();
        let block = self
            .heap
            .alloc(self.geometry().entry_layout(prefix))
            .expect("no budget is set");
        self.heap.budget = budget;
        // SAFETY: the block is fresh, and begins with the 8 bytes of the value.
        unsafe { block.cast::<u64>().write(value) };
        // SAFETY: it has the layout, and is given away here.
        unsafe { NewEntry::new(block) }
    }

    /// Inserts into the trie and, if that worked, into the model.
    pub(super) fn insert(
        &mut self,
        key: (u32, &[u8]),
        value: u64,
        mode: Mode,
    ) -> Result<Outcome, Error> {
        let geometry = self.geometry();
        let prefix = Prefix::new(&geometry, key.0, key.1).expect("the key is valid");
        let entry = self.entry(prefix, value);
        // SAFETY: one thread, one writer; the heap frees retired blocks only in `grace`.
        let result = unsafe { self.trie.writer() }.insert(
            &mut self.heap,
            prefix,
            mode,
            self.max_entries,
            entry,
        );
        match result {
            Ok(outcome) => {
                self.model.insert(Row {
                    prefixlen: key.0,
                    data: key.1.to_vec(),
                    value,
                });
                Ok(outcome)
            }
            Err((error, entry)) => {
                // SAFETY: the block came back unpublished.
                unsafe {
                    self.heap
                        .free(entry.into_ptr(), geometry.entry_layout(prefix))
                };
                Err(error)
            }
        }
    }

    /// What an insertion must do according to the model, if memory does not fail.
    pub(super) fn expected(&self, key: (u32, &[u8]), mode: Mode) -> Result<Outcome, Error> {
        match (self.model.position(key).is_ok(), mode) {
            (true, Mode::NoExist) => Err(Error::Exists),
            (true, _) => Ok(Outcome::Replaced),
            (false, Mode::Exist) => Err(Error::Missing),
            (false, _) if self.model.rows.len() as u64 >= self.max_entries => Err(Error::Full),
            (false, _) => Ok(Outcome::Inserted),
        }
    }

    pub(super) fn remove(&mut self, key: (u32, &[u8])) -> Result<(), Error> {
        let geometry = self.geometry();
        let prefix = Prefix::new(&geometry, key.0, key.1).expect("the key is valid");
        // SAFETY: as in `insert`.
        let result = unsafe { self.trie.writer() }.remove(&mut self.heap, prefix);
        let result = result.map(drop);
        if result.is_ok() {
            assert!(self.model.remove(key), "what is removed was there");
        }
        result
    }

    pub(super) fn longest_match(&self, key: (u32, &[u8])) -> Option<Row> {
        // SAFETY: one thread; nothing is freed while the reader lives.
        let reader = unsafe { Reader::assume() };
        let geometry = self.geometry();
        let prefix = Prefix::new(&geometry, key.0, key.1)?;
        let found = self.trie.longest_match(&reader, prefix).expect(NO_WRITER);
        self.compare_sized::<4>(key, found);
        self.compare_sized::<8>(key, found);
        self.compare_sized::<16>(key, found);
        self.compare_sized::<20>(key, found);
        Some(row(&found?, geometry.data_size()))
    }

    /// Lookups specialized for keys of `N` bytes find the same as others.
    fn compare_sized<const N: usize>(&self, key: (u32, &[u8]), found: Option<Entry<'_>>) {
        let Ok(data) = <[u8; N]>::try_from(key.1) else {
            return;
        };
        // SAFETY: one thread; nothing is freed while the reader lives.
        let reader = unsafe { Reader::assume() };
        let sized = self
            .trie
            .longest_match_sized(&reader, key.0, &data)
            .expect(NO_WRITER);
        // SAFETY: as above.
        let without_nodes = unsafe { self.trie.match_without_nodes(key.0, data) };
        for same in [Some(sized), without_nodes].into_iter().flatten() {
            assert_eq!(
                same.map(|entry| entry.value_ptr()),
                found.map(|entry| entry.value_ptr()),
                "a lookup for keys of {N} bytes"
            );
        }
    }

    pub(super) fn next(&self, key: Option<(u32, &[u8])>) -> Option<Row> {
        // SAFETY: as above.
        let reader = unsafe { Reader::assume() };
        let geometry = self.geometry();
        let prefix = key.and_then(|(len, data)| Prefix::new(&geometry, len, data));
        let next = self.trie.next(&reader, prefix).expect(NO_WRITER);
        Some(row(&next?, geometry.data_size()))
    }

    /// The whole walk.
    pub(super) fn walk(&self) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        while let Some(row) = self.next(rows.last().map(|row| (row.prefixlen, &row.data[..]))) {
            assert!(rows.len() <= self.model.rows.len(), "the walk ends");
            rows.push(row);
        }
        rows
    }

    /// The entries after `position`, read by walks that stop after `chunk` entries.
    pub(super) fn walk_from(&self, position: (u32, &[u8]), chunk: usize) -> Vec<Row> {
        // SAFETY: as above.
        let reader = unsafe { Reader::assume() };
        let geometry = self.geometry();
        let mut rows: Vec<Row> = Vec::new();
        loop {
            let (last, before) = (rows.last().cloned(), rows.len());
            let position = last
                .as_ref()
                .map_or(position, |row| (row.prefixlen, &row.data[..]));
            let position = Prefix::new(&geometry, position.0, position.1);
            let walked = self.trie.walk(&reader, position, |entry| {
                rows.push(row(&entry, geometry.data_size()));
                rows.len() - before < chunk
            });
            walked.expect(NO_WRITER);
            assert!(
                rows.len() <= self.model.rows.len() && rows.len() - before <= chunk,
                "a walk ends, and stops when told to"
            );
            if rows.len() == before {
                return rows;
            }
        }
    }

    /// Compares counters and structure with the model; `failed`: memory may have failed.
    pub(super) fn check(&mut self, failed: bool) {
        self.heap.grace();
        check(&self.trie, &self.heap, failed);
        assert_eq!(
            self.trie.len(),
            self.model.rows.len() as u64,
            "len counts the entries"
        );
    }

    /// Whatever was inserted and removed, a node takes at most five times what its items need: a
    /// full one of 37 items, which would be packed.
    pub(super) fn check_bytes(&self) {
        let (bytes, fresh) = (self.trie.bytes(), self.fresh_bytes());
        assert!(
            bytes <= 5 * fresh,
            "{bytes} bytes, but a fresh one takes {fresh}"
        );
    }

    /// Bytes of a fresh trie with the same content.
    pub(super) fn fresh_bytes(&self) -> u64 {
        let mut fresh = Fixture::new(self.geometry().data_size() as u16);
        for row in &self.model.rows {
            assert_eq!(
                fresh.insert((row.prefixlen, &row.data), row.value, Mode::NoExist),
                Ok(Outcome::Inserted),
                "the model's rows are distinct"
            );
        }
        fresh.trie.bytes()
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let heap = &mut self.heap;
        // SAFETY: the trie gives up a block of the heap, and no value is used any more.
        let free = |block, layout| unsafe { heap.free(block, layout) };
        self.trie.clear(free, || {});
    }
}
