// SPDX-License-Identifier: MIT OR Apache-2.0
//! All entries of a map, and those that a prefix covers, in the map's order.

use std::{marker::PhantomData, os::fd::OwnedFd};

use crate::{
    Error, LpmMap, PrefixKey, Value, lpm_map::is, raw_key::RawKey, sys::elements::Elements,
};

/// Entries in the first batch; often only a few are needed.
const FIRST_BATCH: usize = 32;
/// Bytes that the largest batch takes.
const LARGEST_BATCH: usize = 1 << 18;

impl<K: PrefixKey, V: Value> LpmMap<K, V> {
    /// All entries, in the map's order: a prefix after those that it covers,
    /// and otherwise by address.
    ///
    /// An entry that is in the map all the time is returned once, whatever else changes meanwhile;
    /// entries that come or go may be returned or not. On LPM_MTRIE, key and value are of the same
    /// entry. LPM_TRIE, and LPM_MTRIE on kernels without [`positions`](crate::Features::positions),
    /// read the value by the key: if the entry was removed in between, the value is that of a
    /// shorter prefix; and if the last entry of a batch was removed, they walk from the start
    /// again, and entries already returned are left out.
    pub fn iter(&self) -> Entries<'_, K, V> {
        Entries::new(self, self.walk(RawKey::root(self.data_size)))
    }

    /// The entries that `prefix` covers, itself included, in the map's order. Concurrent changes
    /// affect it as they do [`Self::iter`].
    ///
    /// For LPM_MTRIE on kernels with [`positions`](crate::Features::positions) the walk begins
    /// where these entries are; otherwise at the map's start.
    pub fn covered(&self, prefix: &K) -> Entries<'_, K, V> {
        match self.key(prefix) {
            Ok(key) => Entries::new(self, self.walk(key)),
            // No key of this map is that long.
            Err(_) => Entries::new(self, Walk::ended(self)),
        }
    }

    pub(crate) fn walk(&self, within: RawKey) -> Walk<'_> {
        let mut walk = Walk::ended(self);
        walk.after = within.before_subtree();
        if self.has_positions() {
            walk.cursor.clone_from(&walk.after);
        }
        walk.within = within;
        walk.ended = false;
        walk
    }
}

/// An iterator over entries; an error is its last item.
#[derive(Debug)]
pub struct Entries<'m, K, V> {
    map: &'m LpmMap<K, V>,
    walk: Walk<'m>,
    types: PhantomData<fn() -> (K, V)>,
}

impl<'m, K, V> Entries<'m, K, V> {
    fn new(map: &'m LpmMap<K, V>, walk: Walk<'m>) -> Self {
        let types = PhantomData;
        Self { map, walk, types }
    }
}

impl<K: PrefixKey, V: Value> Iterator for Entries<'_, K, V> {
    type Item = Result<(K, V), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.walk.next_entry().transpose()?;
        let item =
            entry.and_then(|(key, value)| Ok((self.map.prefix(&key)?, V::from_bytes(value))));
        if item.is_err() {
            self.walk.ended = true;
        }
        Some(item)
    }
}

/// Reads batches of entries, from the position before a subtree to its end.
#[derive(Debug)]
pub(crate) struct Walk<'m> {
    elements: &'m Elements<OwnedFd>,
    within: RawKey,
    /// Entries up to here were returned, or come before the subtree.
    after: Option<RawKey>,
    /// Where the kernel continues; `None` for the map's start.
    cursor: Option<RawKey>,
    keys: Vec<u8>,
    values: Vec<u8>,
    /// Within the batch: which entry is next, and how many there are.
    next: usize,
    count: usize,
    /// How many entries the next batch asks for.
    ask: usize,
    /// The kernel has no more entries; there may be some in the batch.
    last_batch: bool,
    ended: bool,
}

impl<'m> Walk<'m> {
    fn ended<K, V>(map: &'m LpmMap<K, V>) -> Self {
        Self {
            elements: &map.elements,
            within: RawKey::root(map.data_size),
            after: None,
            cursor: None,
            keys: vec![],
            values: vec![],
            next: 0,
            count: 0,
            ask: FIRST_BATCH,
            last_batch: false,
            ended: true,
        }
    }

    /// The next entry, as long as `within` covers it.
    pub fn next_entry(&mut self) -> Result<Option<(RawKey, &[u8])>, Error> {
        while !self.ended {
            if self.next == self.count {
                if self.last_batch {
                    break;
                }
                self.read_batch()?;
                continue;
            }
            let at = self.next;
            self.next += 1;
            let size = self.elements.key_size();
            let key = RawKey::from_bytes(&self.keys[at * size..][..size]);
            if self.after.as_ref().is_some_and(|after| key <= *after) {
                continue;
            }
            if !self.within.covers(&key) {
                break;
            }
            self.after = Some(key.clone());
            let size = self.elements.value_size();
            return Ok(Some((key, &self.values[at * size..][..size])));
        }
        self.ended = true;
        Ok(None)
    }

    fn read_batch(&mut self) -> Result<(), Error> {
        let (key_size, value_size) = (self.elements.key_size(), self.elements.value_size());
        let most = (LARGEST_BATCH / (key_size + value_size)).max(1);
        let ask = self.ask.min(most);
        self.ask = ask * 4;
        self.keys.resize(ask * key_size, 0);
        self.values.resize(ask * value_size, 0);
        let mut next = vec![0; self.elements.cursor_size()];
        let batch = self.elements.lookup_batch_packed(
            false,
            self.cursor.as_ref().map(RawKey::bytes),
            &mut self.keys,
            &mut self.values,
            &mut next,
        );
        self.next = 0;
        self.count = batch.count as usize;
        match batch.result {
            Ok(()) => {}
            Err(error) if is(&error, libc::ENOENT) => self.last_batch = true,
            Err(error) => {
                self.ended = true;
                return Err(Error::call("read entries of the map")(error));
            }
        }
        if let Some(last) = self.count.checked_sub(1) {
            let last = &self.keys[last * key_size..][..key_size];
            self.cursor = Some(RawKey::from_bytes(last));
        }
        Ok(())
    }
}
