// SPDX-License-Identifier: GPL-2.0

//! What `BPF_MAP_TYPE_LPM_MTRIE` promises: the limits, flags, errors and order of
//! `BPF_MAP_TYPE_LPM_TRIE`, see kernel/bpf/lpm_trie.c.
//!
//! A key is a `struct bpf_lpm_trie_key_u8`: a prefixlen in bits, in the byte order of the machine,
//! and 1 to 256 bytes of data, of which the first bit is the highest one of the first byte.

use crate::{
    blocks::{
        Blocks,
        Teardown, //
    },
    trie::{
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
    bindings,
    bpf::{
        map::{
            BtfType,
            CreateAttr,
            Helper,
            Key,
            Map,
            NewKey,
            Operations,
            RawMap,
            Reader,
            Source,
            Type,
            UpdateMode,
            Value, //
        },
        mem::{
            Allocator,
            Area,
            Context, //
        },
        retire::{
            Reclaimer,
            Retired, //
        }, //
    },
    prelude::*,
    sync::ResSpinLock,
    task::cond_resched, //
};

/// Bytes of a key before its data.
const PREFIXLEN_SIZE: usize = 4;

/// From this many entries on, a map has a directly indexed root: it makes lookups faster and takes
/// a megabyte, see docs/node-layout.md.
const MANY: u32 = 65_536;

/// The flags that a map may have.
const FLAGS: u32 = bindings::BPF_F_NO_PREALLOC
    | bindings::BPF_F_NUMA_NODE
    | bindings::BPF_F_RDONLY
    | bindings::BPF_F_WRONLY
    | bindings::BPF_F_RDONLY_PROG
    | bindings::BPF_F_WRONLY_PROG;

/// The data of one map.
#[pin_data(PinnedDrop)]
pub(crate) struct LpmMtrie {
    trie: Trie,
    /// Serialises the writers of `trie`.
    retired: ResSpinLock<Retired>,
    #[pin]
    reclaimer: Reclaimer,
    /// Used by `trie`, hence dropped after it.
    _direct_root: Option<Area>,
}

/// The first field of a key, in bits.
fn prefixlen(key: Key<'_>) -> Result<u32> {
    Ok(u32::from_ne_bytes(key.array(0)?))
}

/// The sizes in a trie of keys and values of these sizes, if they are within the limits.
fn geometry(key_size: usize, value_size: usize) -> Option<Geometry> {
    let data_size = u16::try_from(key_size.checked_sub(PREFIXLEN_SIZE)?).ok()?;
    let geometry = Geometry::new(data_size, u32::try_from(value_size).ok()?)?;
    (geometry.entry_layout().size() <= bindings::KMALLOC_MAX_SIZE as usize).then_some(geometry)
}

impl LpmMtrie {
    /// Calls `f` with the prefix that `key` names, [`EINVAL`] if its prefixlen is too large.
    #[inline(always)]
    fn with_prefix<R>(&self, key: Key<'_>, f: impl FnOnce(Prefix<'_>) -> R) -> Result<R> {
        let geometry = self.trie.geometry();
        let mut buffer = [0; DATA_SIZE_MAX as usize];
        let data = buffer.get_mut(..geometry.data_size()).ok_or(EINVAL)?;
        key.copy_to(PREFIXLEN_SIZE, data);
        Ok(f(
            Prefix::new(geometry, prefixlen(key)?, data).ok_or(EINVAL)?
        ))
    }

    /// The value of the longest match of `key`, whose data has `N` bytes.
    #[inline(always)]
    fn find<const N: usize>(&self, section: &TrieReader, key: Key<'_>) -> Option<NonNull<u8>> {
        let data = key.array::<N>(PREFIXLEN_SIZE).ok()?;
        let prefix = Prefix::new(self.trie.geometry(), prefixlen(key).ok()?, &data)?;
        let entry = self.trie.longest_match(section, prefix)?;
        Some(entry.value_ptr())
    }

    /// As [`Self::find`], for data of any size. Not inlined, for its buffer's sake.
    #[inline(never)]
    fn find_any(&self, section: &TrieReader, key: Key<'_>) -> Option<NonNull<u8>> {
        let value = self.with_prefix(key, |prefix| {
            let entry = self.trie.longest_match(section, prefix)?;
            Some(entry.value_ptr())
        });
        value.ok()?
    }

    /// Does `write` under the lock, and again for as long as it fails for a lack of memory that
    /// can be waited for.
    fn write<T>(
        &self,
        alloc: &mut Allocator<'_>,
        waits: bool,
        mut write: impl FnMut(&Trie, &mut Blocks<'_, '_>) -> Result<T>,
    ) -> Result<T> {
        loop {
            let mut retired = self.retired.lock_irqsave()?;
            let mut blocks = Blocks {
                alloc: &mut *alloc,
                retired: &mut retired,
                reclaimer: &self.reclaimer,
                waits,
            };
            let result = write(&self.trie, &mut blocks);
            drop(blocks);
            drop(retired);
            match result {
                Err(e) if e == ENOMEM => alloc.refill()?,
                result => return result,
            }
        }
    }
}

/// A new entry in `block`, if there is one.
fn new_entry(block: Option<NonNull<u8>>, value: Source<'_>) -> Result<NewEntry> {
    let block = block.ok_or(ENOMEM)?;
    // SAFETY: The block was made for an entry, which starts with the value, aligned to 8; nobody
    // else knows it.
    Ok(unsafe {
        value.copy_to(block);
        NewEntry::new(block)
    })
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
    const TYPE: Type = Type::LPM_MTRIE;
    const HELPERS: &'static [Helper] = &[Helper::LOOKUP, Helper::UPDATE, Helper::DELETE];

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

    fn new(map: &RawMap) -> impl PinInit<Self, Error> {
        let geometry = geometry(map.key_size(), map.value_size()).ok_or(EINVAL);
        let direct_root = (map.max_entries() >= MANY)
            .then(|| Area::new(map, Trie::DIRECT_LAYOUT.size()))
            .transpose();
        try_pin_init!(Self {
            _direct_root: direct_root?,
            trie: match &_direct_root {
                // SAFETY: The block is zeroed, of this size, aligned to 8 as its layout asks,
                // used by this trie alone, and dropped after it.
                Some(block) => unsafe { Trie::with_direct_root(geometry?, block.as_ptr()) },
                None => Trie::new(geometry?),
            },
            retired: ResSpinLock::new(Retired::new()),
            reclaimer <- Reclaimer::new(),
        })
    }

    #[inline]
    fn lookup<'a>(map: &'a Map<Self>, key: Key<'_>, reader: &'a Reader) -> Option<Value<'a>> {
        // SAFETY: `reader` is evidence of a section that the grace period of `Retired` waits for.
        let section = unsafe { TrieReader::assume() };
        let value = match map.trie.geometry().data_size() {
            4 => map.find::<4>(&section, key),
            16 => map.find::<16>(&section, key),
            _ => map.find_any(&section, key),
        }?;
        // SAFETY: The value of an entry is aligned to 8, and live until the section ends.
        Some(unsafe { Value::new(value, reader) })
    }

    fn update(
        map: &Map<Self>,
        key: Key<'_>,
        value: Source<'_>,
        mode: UpdateMode,
        context: Context,
    ) -> Result {
        let mode = match mode {
            UpdateMode::Any => Mode::Any,
            UpdateMode::NoExist => Mode::NoExist,
            UpdateMode::Exist => Mode::Exist,
        };
        let waits = matches!(context, Context::Syscall);
        let mut alloc = Allocator::new(map.raw(), context);
        let size = map.trie.geometry().entry_layout().size();
        let max_entries = u64::from(map.raw().max_entries());
        map.with_prefix(key, |prefix| {
            // A large value takes a new entry in any case; a small one is stored at once into the
            // entry that is there.
            let mut entry = if value.fits_one_store() {
                None
            } else {
                Some(new_entry(alloc.alloc_unlocked(size), value)?)
            };
            let result = map.write(&mut alloc, waits, |trie, blocks| {
                // SAFETY: The caller holds the lock of the writers.
                let position = unsafe { trie.writer() }.position(prefix).map_err(errno)?;
                position.check(mode, max_entries).map_err(errno)?;
                match position.entry() {
                    // get_next_key returns the data of the last update, with the bits beyond
                    // prefixlen.
                    Some(old) if value.fits_one_store() && old.data() == prefix.data() => {
                        // SAFETY: The value of an entry is aligned to 8, and programs know that
                        // updates change it.
                        unsafe { value.store_to(old.value_ptr()) };
                        return Ok(());
                    }
                    _ => {}
                }
                let new = match entry.take() {
                    Some(new) => new,
                    None => new_entry(blocks.alloc.alloc(size), value)?,
                };
                position.insert(blocks, new).map(drop).map_err(|unused| {
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

    fn delete(map: &Map<Self>, key: Key<'_>, context: Context) -> Result {
        let waits = matches!(context, Context::Syscall);
        let mut alloc = Allocator::new(map.raw(), context);
        map.with_prefix(key, |prefix| {
            map.write(&mut alloc, waits, |trie, blocks| {
                // SAFETY: The caller holds the lock of the writers.
                let mut writer = unsafe { trie.writer() };
                writer.remove(blocks, prefix).map_err(errno)
            })
        })?
    }

    fn next_key(
        map: &Map<Self>,
        key: Option<Key<'_>>,
        next: NewKey<'_>,
        _reader: &Reader,
    ) -> Result {
        // SAFETY: `_reader` is evidence of a section that the grace period of `Retired` waits for.
        let section = unsafe { TrieReader::assume() };
        let entry = match key {
            // A key that is none is unknown: the first one follows.
            Some(key) => map
                .with_prefix(key, |prefix| map.trie.next(&section, Some(prefix)))
                .unwrap_or_else(|_| map.trie.first(&section)),
            None => map.trie.first(&section),
        }
        .ok_or(ENOENT)?;
        let (prefixlen, data) = next
            .bytes()
            .split_at_mut_checked(PREFIXLEN_SIZE)
            .ok_or(EINVAL)?;
        prefixlen.copy_from_slice(&entry.prefixlen().to_ne_bytes());
        entry.copy_data_to(data);
        Ok(())
    }

    fn check_btf(_map: &Map<Self>, key: BtfType<'_>, _value: BtfType<'_>) -> Result {
        // Keys must have a struct bpf_lpm_trie_key_u8 embedded.
        if key.is_struct() {
            Ok(())
        } else {
            Err(EINVAL)
        }
    }

    fn mem_usage(map: &Map<Self>) -> usize {
        let retired = map.retired.lock_irqsave();
        map.trie.bytes() as usize
            + retired.map_or(0, |retired| retired.bytes())
            + map.reclaimer.bytes()
    }
}

#[pinned_drop]
impl PinnedDrop for LpmMtrie {
    fn drop(self: Pin<&mut Self>) {
        let this = self.project();
        // SAFETY: `Teardown` frees blocks of this map's allocators, and the map has no users left.
        unsafe { this.trie.clear(&mut Teardown, cond_resched) };
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
        let largest = bindings::KMALLOC_MAX_SIZE as usize - 2 - 4;
        assert!(geometry(PREFIXLEN_SIZE + 4, 0).is_none());
        assert!(geometry(PREFIXLEN_SIZE + 4, largest).is_some());
        assert!(geometry(PREFIXLEN_SIZE + 4, largest + 1).is_none());
    }

    #[test]
    fn an_ipv4_entry_with_a_counter_fills_16_bytes() -> Result {
        let geometry = geometry(PREFIXLEN_SIZE + 4, 8).ok_or(EINVAL)?;
        assert!(geometry.entry_layout().size() <= 16);
        Ok(())
    }
}
