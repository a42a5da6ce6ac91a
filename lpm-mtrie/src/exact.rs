// SPDX-License-Identifier: MIT OR Apache-2.0
//! Exact prefixes: whether one is there, and what its value is.
//!
//! bpf(2) looks up the longest match of a key, and has no call for exactly one prefix. A walk finds
//! it: the entry after the position right before a prefix is that prefix, if it is there.

use crate::{Error, LpmMap, PrefixKey, Value, lpm_map::is, raw_key::RawKey};

impl<K: PrefixKey, V: Value> LpmMap<K, V> {
    /// The value of exactly this prefix.
    ///
    /// For LPM_MTRIE on kernels with [`positions`](crate::Features::positions) this is a single
    /// call. Otherwise it takes three: two for whether the prefix is there, and one for its longest
    /// match, which is itself; if it is removed in between, the value is that of a shorter prefix.
    pub fn get(&self, prefix: &K) -> Result<Option<V>, Error> {
        let Ok(key) = self.key(prefix) else {
            return Ok(None);
        };
        let value = self.get_raw(&key)?;
        Ok(value.map(|value| V::from_bytes(&value)))
    }

    /// Whether exactly this prefix is in the map. Without
    /// [`positions`](crate::Features::positions) this takes two calls, and a
    /// concurrent change of the map's first entry may make the answer wrong.
    pub fn contains(&self, prefix: &K) -> Result<bool, Error> {
        match self.key(prefix) {
            Ok(key) => self.contains_raw(&key),
            Err(_) => Ok(false),
        }
    }

    fn get_raw(&self, key: &RawKey) -> Result<Option<Vec<u8>>, Error> {
        if self.has_positions() {
            let entry = self.entry_after(key.before())?;
            return Ok(entry
                .filter(|(found, _)| found == key)
                .map(|(_, value)| value));
        }
        if self.contains_raw(key)? {
            self.lookup_raw(key)
        } else {
            Ok(None)
        }
    }

    pub(crate) fn contains_raw(&self, key: &RawKey) -> Result<bool, Error> {
        if self.has_positions() {
            let entry = self.entry_after(key.before())?;
            return Ok(entry.is_some_and(|(found, _)| found == *key));
        }
        self.walk_passes(key)
    }

    /// Whether get_next_key knows the key. For an unknown key it returns the first key, which
    /// follows `key` only if `key` precedes all others.
    fn walk_passes(&self, key: &RawKey) -> Result<bool, Error> {
        let Some(first) = self.next_key(None)? else {
            return Ok(false);
        };
        if *key <= first {
            return Ok(*key == first);
        }
        Ok(self.next_key(Some(key))?.is_none_or(|next| next > *key))
    }

    fn next_key(&self, key: Option<&RawKey>) -> Result<Option<RawKey>, Error> {
        match self.elements.next_key(key.map(RawKey::bytes)) {
            Ok(next) => Ok(Some(RawKey::from_bytes(&next))),
            Err(error) if is(&error, libc::ENOENT) => Ok(None),
            Err(error) => Err(Error::call("walk the map's keys")(error)),
        }
    }

    /// The first entry after a position.
    fn entry_after(&self, position: Option<RawKey>) -> Result<Option<(RawKey, Vec<u8>)>, Error> {
        let mut key = vec![0; self.elements.key_size()];
        let mut value = vec![0; self.elements.value_size()];
        let mut next = vec![0; self.elements.cursor_size()];
        let from = position.as_ref().map(RawKey::bytes);
        let batch = self
            .elements
            .lookup_batch_packed(false, from, &mut key, &mut value, &mut next);
        match batch.result {
            Err(error) if !is(&error, libc::ENOENT) => {
                Err(Error::call("read an entry of the map")(error))
            }
            _ => Ok((batch.count == 1).then(|| (RawKey::from_bytes(&key), value))),
        }
    }
}
