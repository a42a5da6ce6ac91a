// SPDX-License-Identifier: MIT OR Apache-2.0
//! A map of bytes: all element commands of bpf(2), with their errnos.
//!
//! aya's typed maps turn ENOENT into `None`, support neither batches nor freeze, and need sizes at
//! compile time. Here keys and values are byte slices whose lengths are checked against the map's
//! own sizes.

use std::{
    io,
    ops::Deref,
    os::fd::{AsFd, OwnedFd},
};

use lpm_mtrie::sys::elements::Elements;

pub use lpm_mtrie::sys::elements::Batch;

use crate::sys::{self, map::MapAttr};

/// A map with one value per key; operations on single elements are those of [`Elements`].
#[derive(Debug)]
pub struct RawMap<F: AsFd = OwnedFd>(Elements<F>);

/// The elements that a batch lookup returned, and where the next one continues.
#[derive(Debug)]
pub struct BatchElements {
    /// `(key, value)` in the map's order.
    pub elements: Vec<(Vec<u8>, Vec<u8>)>,
    pub next: Vec<u8>,
    /// ENOENT when the map's end was reached, with or without elements.
    pub result: io::Result<()>,
}

impl<F: AsFd> Deref for RawMap<F> {
    type Target = Elements<F>;

    fn deref(&self) -> &Elements<F> {
        &self.0
    }
}

impl RawMap<OwnedFd> {
    /// Creates a map with these attributes, valid or not.
    pub fn create(attr: &MapAttr) -> io::Result<Self> {
        Self::new(sys::map::create(attr)?)
    }
}

impl<F: AsFd> RawMap<F> {
    /// Takes the sizes from the kernel's description of the map.
    pub fn new(fd: F) -> io::Result<Self> {
        Elements::new(fd).map(Self)
    }

    /// All keys by [`Elements::next_key`], at most `limit`, because a map that repeats a key would
    /// never end.
    pub fn keys(&self, limit: usize) -> io::Result<Vec<Vec<u8>>> {
        let mut keys: Vec<Vec<u8>> = vec![];
        while keys.len() < limit {
            match self.next_key(keys.last().map(Vec::as_slice)) {
                Ok(key) => keys.push(key),
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(keys)
    }

    /// BPF_MAP_UPDATE_BATCH.
    pub fn update_batch(&self, elements: &[(Vec<u8>, Vec<u8>)], elem_flags: u64) -> Batch {
        let keys = packed(elements.iter().map(|(key, _)| key), self.key_size());
        let values = packed(elements.iter().map(|(_, value)| value), self.value_size());
        self.update_batch_packed(&keys, &values, elem_flags)
    }

    /// BPF_MAP_DELETE_BATCH.
    pub fn delete_batch(&self, keys: &[Vec<u8>]) -> Batch {
        self.delete_batch_packed(&packed(keys.iter(), self.key_size()))
    }

    /// BPF_MAP_LOOKUP_BATCH: up to `count` elements after the key `from`.
    pub fn lookup_batch(&self, from: Option<&[u8]>, count: usize) -> BatchElements {
        self.read_batch(false, from, count)
    }

    /// BPF_MAP_LOOKUP_AND_DELETE_BATCH.
    pub fn lookup_and_delete_batch(&self, from: Option<&[u8]>, count: usize) -> BatchElements {
        self.read_batch(true, from, count)
    }

    fn read_batch(&self, delete: bool, from: Option<&[u8]>, count: usize) -> BatchElements {
        let mut keys = vec![0; self.key_size() * count];
        let mut values = vec![0; self.value_size() * count];
        let mut next = vec![0; self.cursor_size()];
        let batch = self.lookup_batch_packed(delete, from, &mut keys, &mut values, &mut next);
        BatchElements {
            elements: keys
                .chunks(self.key_size())
                .zip(values.chunks(self.value_size()))
                .take(batch.count as usize)
                .map(|(key, value)| (key.to_vec(), value.to_vec()))
                .collect(),
            next,
            result: batch.result,
        }
    }
}

fn packed<'a>(parts: impl Iterator<Item = &'a Vec<u8>>, size: usize) -> Vec<u8> {
    let mut packed = vec![];
    for part in parts {
        assert_eq!(part.len(), size, "an element's length is not the map's");
        packed.extend_from_slice(part);
    }
    packed
}
