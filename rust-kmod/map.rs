// SPDX-License-Identifier: GPL-2.0

//! What `BPF_MAP_TYPE_LPM_MTRIE` promises: the limits, flags, errors and order of
//! `BPF_MAP_TYPE_LPM_TRIE`, see kernel/bpf/lpm_trie.c.
//!
//! A key is a `struct bpf_lpm_trie_key_u8`: a prefixlen in bits, in the byte order of the machine,
//! and 1 to 256 bytes of data, of which the first bit is the highest one of the first byte.

use crate::{
    blocks::{
        object_size,
        Blocks, //
    },
    trie::{
        Disturbed,
        Entry,
        Error as TrieError,
        Geometry,
        Mode,
        NewEntry,
        Prefix,
        Reader as TrieReader,
        Trie,
        DATA_SIZE_MAX, //
    }, //
};
use core::ptr::NonNull;
use kernel::{
    bpf::{
        map::{
            flags,
            BtfType,
            CreateAttr,
            Elems,
            Key,
            NewKey,
            NewMap,
            Operations,
            RawMap,
            Reader,
            Sink,
            Source,
            Taken,
            UpdateMode,
            Value, //
        },
        mem::{
            self,
            Allocator, //
        },
        writers::Writers, //
    },
    prelude::*,
    sync::rcu,
    task::cond_resched, //
};

/// Bytes of a key before its data.
const PREFIXLEN_SIZE: usize = 4;

/// The flags that a map may have.
const FLAGS: u32 = flags::NO_PREALLOC | flags::NUMA_NODE | flags::ACCESS;

/// The data of one map.
#[pin_data(PinnedDrop)]
pub(crate) struct LpmMtrie {
    trie: Trie,
    /// The writers of `trie`.
    #[pin]
    writers: Writers,
}

/// The first field of a key, in bits.
fn prefixlen(key: Key<'_>) -> Result<u32> {
    Ok(u32::from_ne_bytes(key.array(0)?))
}

/// The geometry of a trie with keys and values of these sizes, if they are within the limits.
fn geometry(key_size: usize, value_size: usize) -> Option<Geometry> {
    let data_size = u16::try_from(key_size.checked_sub(PREFIXLEN_SIZE)?).ok()?;
    let geometry = Geometry::new(data_size, u32::try_from(value_size).ok()?)?;
    (object_size(geometry.largest_entry()) <= mem::OBJECT_MAX).then_some(geometry)
}

impl LpmMtrie {
    /// Calls `f` with the prefix that `key` names, [`EINVAL`] if its prefixlen is too large.
    #[inline(always)]
    fn with_prefix<R>(&self, key: Key<'_>, f: impl FnOnce(Prefix<'_>) -> R) -> Result<R> {
        let geometry = self.trie.geometry();
        // Addresses do without zeroing the larger buffer.
        let (mut small, mut large);
        let buffer = if geometry.data_size() <= 16 {
            small = [0; 16];
            &mut small[..]
        } else {
            large = [0; DATA_SIZE_MAX as usize];
            &mut large[..]
        };
        let data = buffer.get_mut(..geometry.data_size()).ok_or(EINVAL)?;
        key.copy_to(PREFIXLEN_SIZE, data);
        Ok(f(
            Prefix::new(geometry, prefixlen(key)?, data).ok_or(EINVAL)?
        ))
    }

    /// The value of the longest match of `key`, whose data has `N` bytes. Not inlined, so that each
    /// size saves only the registers that it needs.
    #[inline(never)]
    fn find<const N: usize>(&self, key: Key<'_>, _reader: &Reader) -> Option<NonNull<u8>> {
        let data = key.array::<N>(PREFIXLEN_SIZE).ok()?;
        let prefixlen = prefixlen(key).ok()?;
        // SAFETY: `_reader` is evidence of a section of RCU or RCU Tasks Trace, and entries wait
        // for both.
        if let Some(found) = unsafe { self.trie.match_without_nodes(prefixlen, data) } {
            return Some(found?.value_ptr());
        }
        self.find_in_nodes(prefixlen, &data)
    }

    /// As [`Self::find`]. Not inlined, so that [`Self::find`] saves no registers where there is a
    /// single entry.
    #[inline(never)]
    fn find_in_nodes<const N: usize>(&self, prefixlen: u32, data: &[u8; N]) -> Option<NonNull<u8>> {
        in_section(|section| {
            let found = self.trie.longest_match_sized(section, prefixlen, data);
            let found = found.unwrap_or_else(|Disturbed| {
                let key = Prefix::new(self.trie.geometry(), prefixlen, data)?;
                self.longest_match(section, key)
            });
            Some(found?.value_ptr())
        })
    }

    /// As [`Self::find`], for what is not an address.
    #[inline(never)]
    fn find_other(&self, key: Key<'_>, reader: &Reader) -> Option<NonNull<u8>> {
        match self.trie.geometry().data_size() {
            // An address after four bytes, such as an identity.
            8 => self.find::<8>(key, reader),
            20 => self.find::<20>(key, reader),
            _ => self.find_any(key),
        }
    }

    /// As [`Self::find`], for data of any size. Not inlined, because of its buffer.
    #[inline(never)]
    fn find_any(&self, key: Key<'_>) -> Option<NonNull<u8>> {
        self.with_prefix(key, |prefix| {
            in_section(|section| Some(self.longest_match(section, prefix)?.value_ptr()))
        })
        .ok()?
    }

    /// The longest match of `key`. Not inlined, since most lookups use another one of the trie's.
    #[inline(never)]
    fn longest_match<'e>(&'e self, section: &'e TrieReader, key: Prefix<'_>) -> Option<Entry<'e>> {
        self.undisturbed(|| self.trie.longest_match(section, key))
    }

    /// What `read` finds. If writers disturb it again and again, they have to wait.
    #[inline]
    fn undisturbed<R>(&self, mut read: impl FnMut() -> Result<R, Disturbed>) -> R {
        let mut found = read();
        loop {
            match found {
                Ok(found) => return found,
                // Without the lock, it tries again: this CPU has the lock, or waited for it when it
                // was interrupted, or another CPU did not release it in time.
                Err(Disturbed) => {
                    found = self.writers.exclude(&mut read).unwrap_or_else(|_| read())
                }
            }
        }
    }
}

/// Calls `f` in a section in which the nodes of a trie may be walked.
///
/// Sleepable programs are in a section of RCU Tasks Trace only, and nodes wait for RCU.
#[inline(always)]
fn in_section<R>(f: impl FnOnce(&TrieReader) -> R) -> R {
    let _guard = rcu::read_lock();
    // SAFETY: `_guard` is a section that delays the freeing of nodes, and of entries, whose grace
    // period implies one of RCU. It outlives the reader.
    let section = unsafe { TrieReader::assume() };
    f(&section)
}

/// A new entry in `block`.
fn new_entry(block: NonNull<u8>, value: Source<'_>) -> NewEntry {
    // SAFETY: The block was made for an entry, which starts with the value, aligned to 8; nobody
    // else knows it.
    unsafe {
        value.copy_to(block);
        NewEntry::new(block)
    }
}

/// Stores the key of `entry`.
fn store_key(entry: Entry<'_>, key: &mut NewKey<'_>) {
    key.write(0, &entry.prefixlen().to_ne_bytes());
    key.write(PREFIXLEN_SIZE, entry.stored_data());
}

fn errno(error: TrieError) -> Error {
    match error {
        TrieError::NoMemory => ENOMEM,
        TrieError::Exists => EEXIST,
        TrieError::Missing => ENOENT,
        TrieError::Full => ENOSPC,
    }
}

#[vtable]
impl Operations for LpmMtrie {
    fn alloc_check(attr: &CreateAttr) -> Result {
        let sizes = geometry(attr.key_size() as usize, attr.value_size() as usize);
        if attr.max_entries() == 0
            || attr.map_flags() & !FLAGS != 0
            || !attr.access_flags_ok()
            || sizes.is_none()
        {
            return Err(EINVAL);
        }
        Ok(())
    }

    fn new(map: &NewMap) -> impl PinInit<Self, Error> {
        let geometry = geometry(map.key_size(), map.value_size()).ok_or(EINVAL);
        try_pin_init!(Self {
            trie: Trie::new(geometry?),
            writers <- Writers::new(map),
        })
    }

    #[inline]
    fn lookup<'a>(
        &'a self,
        _map: &'a RawMap,
        key: Key<'_>,
        reader: &'a Reader,
    ) -> Option<Value<'a>> {
        let value = match self.trie.geometry().data_size() {
            4 => self.find::<4>(key, reader),
            16 => self.find::<16>(key, reader),
            _ => self.find_other(key, reader),
        }?;
        // SAFETY: The value of an entry is aligned to 8, and has the size of the map's values. An
        // entry is not freed before all sections of RCU or RCU Tasks Trace that existed at its
        // removal have ended, and `reader` is evidence of one.
        Some(unsafe { Value::new(value, reader) })
    }

    fn update(
        &self,
        map: &RawMap,
        key: Key<'_>,
        value: Source<'_>,
        mode: UpdateMode,
        alloc: &mut Allocator<'_>,
    ) -> Result {
        let mode = match mode {
            UpdateMode::Any => Mode::Any,
            UpdateMode::NoExist => Mode::NoExist,
            UpdateMode::Exist => Mode::Exist,
        };
        let max_entries = u64::from(map.max_entries());
        self.with_prefix(key, |prefix| {
            let size = object_size(self.trie.geometry().entry_layout(prefix));
            // A large value always takes a new entry; a small one is written to an existing entry
            // in a single store.
            let mut entry = if value.fits_one_store() {
                let ahead = alloc.alloc_ahead(size);
                ahead.map(|block| new_entry(block, value))
            } else {
                // Also before it takes memory for a value that may have to wait.
                self.writers.admit(self.trie.bytes() as usize, alloc)?;
                let block = alloc.alloc_unlocked(size).ok_or(ENOMEM)?;
                Some(new_entry(block, value))
            };
            let result = self.writers.write(alloc, |writer| {
                // SAFETY: `writer` is exclusive, and so are all of this trie's. What is retired is
                // freed elsewhere, after a grace period.
                let trie = unsafe { self.trie.writer() };
                let position = trie.position(prefix).map_err(errno)?;
                position.check(mode, max_entries).map_err(errno)?;
                match position.entry() {
                    // get_next_key returns the data of the last update, with the bits beyond
                    // prefixlen.
                    Some(old) if value.fits_one_store() && old.has_data(prefix.data()) => {
                        // SAFETY: The value of an entry is aligned to 8, and programs know that
                        // updates change it.
                        unsafe { value.store_to(old.value_ptr()) };
                        return Ok(());
                    }
                    _ => {}
                }
                writer.admit(self.trie.bytes() as usize)?;
                let new = match entry.take() {
                    Some(new) => new,
                    None => new_entry(writer.alloc(size).ok_or(ENOMEM)?, value),
                };
                let inserted = position.insert(&mut Blocks(writer), new);
                inserted.map(drop).map_err(|unused| {
                    entry = Some(unused);
                    ENOMEM
                })
            });
            if let Some(unused) = entry {
                // SAFETY: The entry was not inserted, so the block is ours.
                unsafe { alloc.free(unused.into_ptr(), size) };
            }
            result
        })?
    }

    fn delete(&self, _map: &RawMap, key: Key<'_>, alloc: &mut Allocator<'_>) -> Result {
        self.with_prefix(key, |prefix| {
            self.writers.write(alloc, |writer| {
                // SAFETY: As in `update()`.
                let mut trie = unsafe { self.trie.writer() };
                let removed = trie.remove(&mut Blocks(writer), prefix);
                removed.map(drop).map_err(errno)
            })
        })?
    }

    fn lookup_prefix<'a>(
        &'a self,
        _map: &'a RawMap,
        key: Key<'_>,
        reader: &'a Reader,
    ) -> Option<(u32, Value<'a>)> {
        let (prefixlen, value) = self
            .with_prefix(key, |prefix| {
                in_section(|section| {
                    let found = self.longest_match(section, prefix)?;
                    Some((found.prefixlen(), found.value_ptr()))
                })
            })
            .ok()??;
        // SAFETY: As in `lookup()`.
        Some((prefixlen, unsafe { Value::new(value, reader) }))
    }

    fn take<'a>(
        &self,
        _map: &RawMap,
        key: Key<'_>,
        to: Sink<'a>,
        alloc: &mut Allocator<'_>,
    ) -> Result<Taken<'a>> {
        self.with_prefix(key, |prefix| {
            self.writers.write(alloc, |writer| {
                // SAFETY: As in `update()`.
                let mut trie = unsafe { self.trie.writer() };
                let value = trie.remove(&mut Blocks(writer), prefix).map_err(errno)?;
                // SAFETY: The value of an entry is aligned to 8, and has the size of the map's
                // values. It is not freed yet: interrupts are off until `writer` is given back, and
                // no grace period that began after the removal ends before that.
                Ok(unsafe { to.copy_from(value) })
            })
        })?
    }

    fn walk(
        &self,
        _map: &RawMap,
        position: Option<Key<'_>>,
        elems: &mut Elems<'_>,
        reader: &Reader,
    ) -> Result {
        let mut walk = |position: Option<Prefix<'_>>| {
            in_section(|section| {
                self.undisturbed(|| {
                    self.trie.walk(section, position, |entry| {
                        // SAFETY: As in `lookup()`.
                        let value = unsafe { Value::new(entry.value_ptr(), reader) };
                        elems.push(value, |key| store_key(entry, key))
                    })
                })
            })
        };
        match position {
            Some(key) => self.with_prefix(key, |prefix| walk(Some(prefix))),
            None => {
                walk(None);
                Ok(())
            }
        }
    }

    fn next_key(
        &self,
        _map: &RawMap,
        key: Option<Key<'_>>,
        next: &mut NewKey<'_>,
        _reader: &Reader,
    ) -> Result {
        let mut step = |prefix: Option<Prefix<'_>>| {
            in_section(|section| {
                let entry = self.undisturbed(|| self.trie.next(section, prefix));
                store_key(entry.ok_or(ENOENT)?, next);
                Ok(())
            })
        };
        match key {
            // An invalid key is treated as unknown: iteration restarts.
            Some(key) => self
                .with_prefix(key, |prefix| step(Some(prefix)))
                .unwrap_or_else(|_| step(None)),
            None => step(None),
        }
    }

    fn check_btf(&self, _map: &RawMap, key: BtfType<'_>, _value: BtfType<'_>) -> Result {
        // Keys must have a struct bpf_lpm_trie_key_u8 embedded.
        if key.is_struct() {
            Ok(())
        } else {
            Err(EINVAL)
        }
    }

    fn mem_usage(&self, _map: &RawMap) -> usize {
        self.trie.bytes() as usize + self.writers.bytes()
    }
}

#[pinned_drop]
impl PinnedDrop for LpmMtrie {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: The trie gives up a block that an op of its map allocated. Nobody holds a value:
        // the map is freed after the sections of the programs that used it. It is freed in process
        // context.
        let free = |block, _layout| unsafe { mem::free(block) };
        self.project().trie.clear(free, cond_resched);
    }
}

#[kunit_tests(lpm_mtrie)]
mod tests {
    use super::*;

    #[test]
    fn key_sizes_are_those_of_lpm_trie() {
        assert!(geometry(PREFIXLEN_SIZE, 1).is_none());
        assert!(geometry(PREFIXLEN_SIZE + 1, 1).is_some());
        assert!(geometry(PREFIXLEN_SIZE + 256, 1).is_some());
        assert!(geometry(PREFIXLEN_SIZE + 257, 1).is_none());
        assert!(geometry(0, 1).is_none());
    }

    #[test]
    fn a_value_fits_kmalloc_with_its_key() {
        let largest = mem::OBJECT_MAX - 2 - 4;
        assert!(geometry(PREFIXLEN_SIZE + 4, 0).is_none());
        assert!(geometry(PREFIXLEN_SIZE + 4, largest).is_some());
        assert!(geometry(PREFIXLEN_SIZE + 4, largest + 1).is_none());
    }

    #[test]
    fn an_ipv4_entry_with_a_counter_fills_16_bytes() -> Result {
        let geometry = geometry(PREFIXLEN_SIZE + 4, 8).ok_or(EINVAL)?;
        assert_eq!(object_size(geometry.largest_entry()), 16);
        Ok(())
    }
}
