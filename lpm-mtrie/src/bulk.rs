// SPDX-License-Identifier: MIT OR Apache-2.0
//! Many entries at once: loading, and removal.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use crate::{
    Error, LpmMap, PrefixKey, Value,
    lpm_map::{ENOTSUPP, is},
    raw_key::RawKey,
    sys::elements::Batch,
};

/// Entries in a batch.
const BATCH: usize = 4096;

/// How long to repeat calls that fail for a reason that may pass. After so long without progress, it
/// does not: memory is really short, say.
const PATIENCE: Duration = Duration::from_secs(3);
/// The time between two of them.
const PAUSE: Duration = Duration::from_millis(1);

/// Repeats calls that failed for a reason that passes.
struct Patience {
    /// When a call last did anything.
    progress: Instant,
}

impl Patience {
    fn new() -> Self {
        Self {
            progress: Instant::now(),
        }
    }

    /// After a call that failed, having done something before that or not: whether to repeat it.
    /// Sleeps first.
    fn repeat(&mut self, error: &io::Error, progress: bool) -> bool {
        if progress {
            self.progress = Instant::now();
        }
        // LPM_TRIE's allocator refills its reserve from an interrupt. On kernels whose updates from
        // bpf(2) do not wait, a batch that outruns it fails with ENOMEM although memory is free.
        // The lock of a map times out if the virtual CPU of its owner does not run.
        let passes = is(error, libc::ENOMEM) || is(error, libc::ETIMEDOUT);
        let repeat = passes && self.progress.elapsed() < PATIENCE;
        if repeat {
            thread::sleep(PAUSE);
        }
        repeat
    }
}

impl<K: PrefixKey, V: Value> LpmMap<K, V> {
    /// Adds all entries or replaces their values, thousands per call; returns how many. On an error
    /// the entries before the failing one are in the map, and [`Error::Batch`] says how many.
    ///
    /// Programs see the entries appear one by one; [`OuterMap`](crate::OuterMap) shows them all at
    /// once.
    pub fn insert_all(&self, entries: impl IntoIterator<Item = (K, V)>) -> Result<u64, Error> {
        let mut done = 0;
        let mut entries = entries.into_iter();
        loop {
            let (mut keys, mut values) = (vec![], vec![]);
            let mut wrong = None;
            for (prefix, value) in entries.by_ref().take(BATCH) {
                match self
                    .key(&prefix)
                    .and_then(|key| Ok((key, self.value(&value)?)))
                {
                    Ok((key, value)) => {
                        keys.extend_from_slice(key.bytes());
                        values.extend_from_slice(value);
                    }
                    Err(error) => {
                        wrong = Some(error);
                        break;
                    }
                }
            }
            if !keys.is_empty() {
                self.insert_packed(&keys, &values, &mut done)?;
            }
            if let Some(source) = wrong {
                let source = Box::new(source);
                return Err(Error::Batch { done, source });
            }
            if keys.is_empty() {
                return Ok(done);
            }
        }
    }

    fn insert_packed(&self, keys: &[u8], values: &[u8], done: &mut u64) -> Result<(), Error> {
        let (key_size, value_size) = (self.elements.key_size(), self.elements.value_size());
        let count = keys.len() / key_size;
        let (mut at, mut patience) = (0, Patience::new());
        while at < count {
            let rest = &keys[at * key_size..];
            let batch = self
                .elements
                .update_batch_packed(rest, &values[at * value_size..], 0);
            let accepted = accepted(&batch, count - at);
            at += accepted;
            *done += accepted as u64;
            let Err(error) = batch.result else { break };
            if !patience.repeat(&error, accepted > 0) {
                return Err(Error::Batch {
                    done: *done,
                    source: Box::new(Error::call("add the next entry")(error)),
                });
            }
        }
        Ok(())
    }

    /// Removes all entries that `prefix` covers, itself included; returns how many there were.
    /// Entries that others add there meanwhile may stay.
    pub fn remove_subtree(&self, prefix: &K) -> Result<u64, Error> {
        match self.key(prefix) {
            Ok(key) => self.remove_within(key),
            Err(_) => Ok(0),
        }
    }

    /// Removes all entries; returns how many there were. Entries that others add meanwhile may
    /// stay.
    pub fn clear(&self) -> Result<u64, Error> {
        self.remove_within(RawKey::root(self.data_size))
    }

    /// Removes all entries and returns them, in the map's order, for example to read and reset
    /// counters. Entries that others add meanwhile may stay. On an error the removed entries are
    /// put back, as far as there is memory, except for prefixes that others have added meanwhile.
    ///
    /// LPM_MTRIE returns each entry as it was when it was removed. LPM_TRIE, and LPM_MTRIE on
    /// kernels whose type has no BPF_MAP_LOOKUP_AND_DELETE_BATCH, are read first and then cleared:
    /// changes in between are lost.
    pub fn drain(&self) -> Result<Vec<(K, V)>, Error> {
        let (key_size, value_size) = (self.elements.key_size(), self.elements.value_size());
        let mut drained: Vec<(Vec<u8>, Vec<u8>)> = vec![];
        let mut cursor: Option<Vec<u8>> = None;
        let mut patience = Patience::new();
        let (mut keys, mut values) = (vec![0; BATCH * key_size], vec![0; BATCH * value_size]);
        let result = loop {
            let mut next = vec![0; self.elements.cursor_size()];
            let batch = self.elements.lookup_batch_packed(
                true,
                cursor.as_deref(),
                &mut keys,
                &mut values,
                &mut next,
            );
            let found = keys.chunks(key_size).zip(values.chunks(value_size));
            let taken = accepted(&batch, BATCH).min(batch.count as usize);
            let found = found.take(taken);
            drained.extend(found.map(|(key, value)| (key.to_vec(), value.to_vec())));
            match batch.result {
                Ok(()) => cursor = Some(next),
                Err(error) if is(&error, libc::ENOENT) => break Ok(()),
                Err(error) if is(&error, ENOTSUPP) => return self.drain_slowly(),
                Err(error) if patience.repeat(&error, taken > 0) => {}
                Err(error) => break Err(Error::call("take entries out of the map")(error)),
            }
        };
        let entries = result.and_then(|()| self.typed(&drained));
        entries.inspect_err(|_| self.put_back(&drained))
    }

    fn drain_slowly(&self) -> Result<Vec<(K, V)>, Error> {
        let mut walk = self.walk(RawKey::root(self.data_size));
        let mut drained = vec![];
        while let Some((key, value)) = walk.next_entry()? {
            drained.push((key.bytes().to_vec(), value.to_vec()));
        }
        let entries = self.typed(&drained)?;
        self.clear().inspect_err(|_| self.put_back(&drained))?;
        Ok(entries)
    }

    fn typed(&self, entries: &[(Vec<u8>, Vec<u8>)]) -> Result<Vec<(K, V)>, Error> {
        let entries = entries.iter();
        let typed = entries
            .map(|(key, value)| Ok((self.prefix(&RawKey::from_bytes(key))?, V::from_bytes(value))));
        typed.collect()
    }

    /// Restores entries after an error, which is the one to report.
    fn put_back(&self, entries: &[(Vec<u8>, Vec<u8>)]) {
        const BPF_NOEXIST: u64 = 1;
        let mut patience = Patience::new();
        for (key, value) in entries {
            while let Err(error) = self.elements.update(key, value, BPF_NOEXIST)
                && patience.repeat(&error, false)
            {}
        }
    }

    /// Reads the keys before it removes the first one, so that the walk continues from a key that
    /// is there.
    fn remove_within(&self, within: RawKey) -> Result<u64, Error> {
        let mut walk = self.walk(within);
        let mut keys = vec![];
        while let Some((key, _)) = walk.next_entry()? {
            keys.extend_from_slice(key.bytes());
        }
        let mut done = 0;
        let (mut rest, mut patience) = (&keys[..], Patience::new());
        let size = self.elements.key_size();
        while !rest.is_empty() {
            let now = (rest.len() / size).min(BATCH);
            let batch = self.elements.delete_batch_packed(&rest[..now * size]);
            let mut passed = accepted(&batch, now);
            done += passed as u64;
            match batch.result {
                Ok(()) => {}
                // Somebody else has removed the next entry.
                Err(error) if is(&error, libc::ENOENT) => passed += 1,
                Err(error) if patience.repeat(&error, passed > 0) => {}
                Err(error) => {
                    let source = Box::new(Error::call("remove the next entry")(error));
                    return Err(Error::Batch { done, source });
                }
            }
            rest = &rest[passed * size..];
        }
        Ok(done)
    }
}

/// How many of the `asked` elements were done. A call that the kernel rejects as a whole leaves the
/// count as it was, so a full count with an error means none.
fn accepted(batch: &Batch, asked: usize) -> usize {
    match (&batch.result, batch.count as usize) {
        (Ok(()), _) => asked,
        (Err(_), count) if count < asked => count,
        (Err(_), _) => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_batch_rejected_as_a_whole_did_nothing() {
        let failed = |count| Batch {
            count,
            result: Err(io::Error::from_raw_os_error(libc::EINVAL)),
        };
        assert_eq!(accepted(&failed(3), 10), 3);
        assert_eq!(accepted(&failed(10), 10), 0);
        let all = Batch {
            count: 10,
            result: Ok(()),
        };
        assert_eq!(accepted(&all, 10), 10);
    }

    #[test]
    fn only_what_passes_is_repeated() {
        let error = io::Error::from_raw_os_error;
        let mut patience = Patience::new();
        assert!(patience.repeat(&error(libc::ENOMEM), false));
        assert!(patience.repeat(&error(libc::ETIMEDOUT), false));
        assert!(!patience.repeat(&error(libc::ENOSPC), true));
        patience.progress -= PATIENCE;
        assert!(!patience.repeat(&error(libc::ENOMEM), false));
        assert!(patience.repeat(&error(libc::ENOMEM), true));
    }
}
