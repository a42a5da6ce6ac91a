// SPDX-License-Identifier: GPL-2.0
//! A trie on a slab, used as the map layer uses it.

use super::{clock, slab::Slab};
use lpm_mtrie_core::{Geometry, Memory, Mode, NewEntry, Outcome, Prefix, Reader, Trie};

/// Why no reader is disturbed here.
const NO_WRITER: &str = "there is no writer";

pub struct Mtrie {
    pub trie: Trie,
    pub slab: Slab,
    reader: Reader,
}

impl Mtrie {
    /// For keys of `data_size` bytes and values of 8.
    pub fn new(data_size: u16) -> Self {
        let geometry = Geometry::new(data_size, 8).expect("a valid size");
        // SAFETY: retired blocks are freed only in writing calls, which borrow the fixture
        // exclusively.
        let reader = unsafe { Reader::assume() };
        Self {
            trie: Trie::new(geometry),
            slab: Slab::default(),
            reader,
        }
    }

    pub fn of<const N: usize>(rows: &[(u32, [u8; N], u64)]) -> Self {
        let mut this = Self::new(N as u16);
        for (len, data, value) in rows {
            this.insert(*len, data, *value);
        }
        this
    }

    pub fn insert(&mut self, len: u32, data: &[u8], value: u64) -> Outcome {
        let geometry = *self.trie.geometry();
        let prefix = Prefix::new(&geometry, len, data).expect("a valid prefix");
        let block = self
            .slab
            .alloc(geometry.entry_layout(prefix))
            .expect("memory");
        // SAFETY: the block begins with 8 bytes of value; it is given away; we are the only writer.
        let result = unsafe {
            block.cast::<u64>().write(value);
            self.trie.writer().insert(
                &mut self.slab,
                prefix,
                Mode::Any,
                u64::MAX,
                NewEntry::new(block),
            )
        };
        self.slab.grace();
        result.map_err(|(error, _)| error).expect("memory")
    }

    pub fn remove(&mut self, len: u32, data: &[u8]) {
        let geometry = *self.trie.geometry();
        let prefix = Prefix::new(&geometry, len, data).expect("a valid prefix");
        // SAFETY: we are the only writer.
        unsafe { self.trie.writer() }
            .remove(&mut self.slab, prefix)
            .expect("the prefix is there");
        self.slab.grace();
    }

    #[inline]
    pub fn lookup<const N: usize>(&self, data: &[u8; N]) -> Option<u64> {
        let len = 8 * N as u32;
        // SAFETY: nothing is freed while a lookup borrows the trie.
        let entry = match unsafe { self.trie.match_without_nodes(len, *data) } {
            Some(found) => found,
            None => self
                .trie
                .longest_match_sized(&self.reader, len, data)
                .expect(NO_WRITER),
        }?;
        // SAFETY: values are 8 bytes, written before insertion and not changed.
        Some(unsafe { entry.value_ptr().cast::<u64>().read() })
    }

    /// Walks all entries by key, as get_next_key does; returns their number.
    pub fn walk<const N: usize>(&self) -> u64 {
        let (mut count, mut key) = (0, None::<(u32, [u8; N])>);
        loop {
            let prefix = key
                .as_ref()
                .and_then(|(len, data)| Prefix::new(self.trie.geometry(), *len, data));
            let Some(entry) = self.trie.next(&self.reader, prefix).expect(NO_WRITER) else {
                return count;
            };
            let mut data = [0; N];
            let stored = entry.stored_data();
            data[..stored.len()].copy_from_slice(stored);
            key = Some((entry.prefixlen(), data));
            count += 1;
        }
    }

    /// Frees everything, and returns the longest time between two pauses, in ns.
    pub fn clear(&mut self) -> u64 {
        let (mut last, mut longest) = (clock::now(), 0);
        let pause = || {
            let now = clock::now();
            longest = longest.max(now - last);
            last = now;
        };
        let slab = &mut self.slab;
        // SAFETY: the trie gives up a block of the slab, and no value is used any more.
        let free = |block, layout| unsafe { slab.free(block, layout) };
        self.trie.clear(free, pause);
        longest.max(clock::now() - last)
    }
}

impl Drop for Mtrie {
    fn drop(&mut self) {
        self.clear();
    }
}
