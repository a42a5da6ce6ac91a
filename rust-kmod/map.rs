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
            Context,
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

/// Bytes of key data that are cheap to clear on every lookup.
const SHORT: usize = 16;

/// From this many entries on, a map has a directly indexed root: it makes lookups faster and takes
/// 520 KiB, see docs/node-layout.md.
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
        if self.trie.geometry().data_size() <= SHORT {
            self.with_prefix_in(&mut [0; SHORT], key, f)
        } else {
            self.with_prefix_in(&mut [0; DATA_SIZE_MAX as usize], key, f)
        }
    }

    #[inline(always)]
    fn with_prefix_in<R>(
        &self,
        buffer: &mut [u8],
        key: Key<'_>,
        f: impl FnOnce(Prefix<'_>) -> R,
    ) -> Result<R> {
        let geometry = self.trie.geometry();
        let data = buffer.get_mut(..geometry.data_size()).ok_or(EINVAL)?;
        key.copy_to(PREFIXLEN_SIZE, data);
        Ok(f(
            Prefix::new(geometry, key.first_u32()?, data).ok_or(EINVAL)?
        ))
    }

    /// Does `write` under the lock, and again for as long as it fails for a lack of memory that
    /// can be waited for.
    fn write<T>(
        &self,
        alloc: &mut Allocator<'_>,
        mut write: impl FnMut(&Trie, &mut Blocks<'_, '_>) -> Result<T>,
    ) -> Result<T> {
        loop {
            let mut retired = self.retired.lock_irqsave()?;
            let mut blocks = Blocks {
                alloc: &mut *alloc,
                retired: &mut retired,
                reclaimer: &self.reclaimer,
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

    /// Stores a small value into the entry of `prefix` as it is, so that readers see the old or
    /// the new one. `false` if that takes a new entry.
    fn replace_in_place(
        map: &Map<Self>,
        prefix: Prefix<'_>,
        value: Source<'_>,
        mode: Mode,
    ) -> Result<bool> {
        if !value.fits_one_store() {
            return Ok(false);
        }
        let _guard = map.retired.lock_irqsave()?;
        // SAFETY: We hold the lock of the writers.
        let writer = unsafe { map.trie.writer() };
        match writer.find(prefix) {
            Some(_) if mode == Mode::NoExist => Err(EEXIST),
            None if mode == Mode::Exist => Err(ENOENT),
            // get_next_key returns the data of the last update, its bits beyond prefixlen too.
            Some(entry) if entry.data() == prefix.data() => {
                // SAFETY: The value of an entry is aligned to 8, and programs know that updates
                // change it.
                unsafe { value.store_to(entry.value_ptr()) };
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn insert(
        map: &Map<Self>,
        prefix: Prefix<'_>,
        value: Source<'_>,
        mode: Mode,
        context: Context,
    ) -> Result {
        let mut alloc = Allocator::new(map.raw(), context);
        let size = map.trie.geometry().entry_layout().size();
        let block = alloc.alloc_unlocked(size).ok_or(ENOMEM)?;
        // SAFETY: An entry block starts with the value, aligned to 8, and nobody else knows it.
        unsafe { value.copy_to(block) };
        // SAFETY: The block was made for an entry of this trie.
        let mut entry = Some(unsafe { NewEntry::new(block) });

        let result = map.write(&mut alloc, |trie, blocks| {
            let Some(new) = entry.take() else {
                return Ok(());
            };
            // SAFETY: The caller holds the lock of the writers.
            let mut writer = unsafe { trie.writer() };
            let max_entries = u64::from(map.raw().max_entries());
            match writer.insert(blocks, prefix, mode, max_entries, new) {
                Ok(_) => Ok(()),
                Err((e, unused)) => {
                    entry = Some(unused);
                    Err(errno(e))
                }
            }
        });
        if let Some(unused) = entry {
            // SAFETY: The entry was not inserted, so the block is ours.
            unsafe { alloc.free(unused.into_ptr()) };
        }
        result
    }
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
        let retired = Retired::new(&mut Allocator::new(map, Context::Syscall));
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
            retired: ResSpinLock::new(retired?),
            reclaimer <- Reclaimer::new(),
        })
    }

    #[inline]
    fn lookup<'a>(map: &'a Map<Self>, key: Key<'_>, reader: &'a Reader) -> Option<Value<'a>> {
        // SAFETY: `reader` is evidence of a section that the grace period of `Retired` waits for.
        let section = unsafe { TrieReader::assume() };
        let value: NonNull<u8> = map
            .with_prefix(key, |prefix| {
                map.trie
                    .longest_match(&section, prefix)
                    .map(|entry| entry.value_ptr())
            })
            .ok()??;
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
        map.with_prefix(key, |prefix| {
            if Self::replace_in_place(map, prefix, value, mode)? {
                return Ok(());
            }
            Self::insert(map, prefix, value, mode, context)
        })?
    }

    fn delete(map: &Map<Self>, key: Key<'_>, context: Context) -> Result {
        let mut alloc = Allocator::new(map.raw(), context);
        map.with_prefix(key, |prefix| {
            map.write(&mut alloc, |trie, blocks| {
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
        map.trie.bytes() as usize + retired.map_or(0, |retired| retired.bytes())
    }
}

#[pinned_drop]
impl PinnedDrop for LpmMtrie {
    fn drop(self: Pin<&mut Self>) {
        let this = self.project();
        this.trie.clear(&mut Teardown, cond_resched);
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
