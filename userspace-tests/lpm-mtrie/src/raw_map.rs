// SPDX-License-Identifier: MIT OR Apache-2.0
//! A map of bytes: all element commands of bpf(2) with the errno kept.
//!
//! aya's typed maps fold ENOENT into `None`, know no batches and no freeze,
//! and want sizes at compile time. Here keys and values are byte slices whose
//! lengths are checked against the map's own sizes, which is what makes these
//! calls safe: the kernel reads and writes exactly that many bytes.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use aya_obj::generated::{bpf_attr, bpf_cmd};

use crate::sys::{self, map::MapAttr};

/// A map with one value per key (not a per-CPU type, whose values are longer
/// than its value size says).
#[derive(Debug)]
pub struct RawMap<F: AsFd = OwnedFd> {
    fd: F,
    key_size: usize,
    value_size: usize,
}

/// What a batch command did: how many elements it dealt with before `result`.
#[derive(Debug)]
pub struct Batch {
    pub count: u32,
    pub result: io::Result<()>,
}

/// Elements that a batch lookup brought, and where the next one goes on.
#[derive(Debug)]
pub struct BatchElements {
    /// `(key, value)` in the map's order.
    pub elements: Vec<(Vec<u8>, Vec<u8>)>,
    pub next: Vec<u8>,
    /// ENOENT when the map's end was reached, with or without elements.
    pub result: io::Result<()>,
}

/// PERCPU_HASH, PERCPU_ARRAY, LRU_PERCPU_HASH, PERCPU_CGROUP_STORAGE: uapi numbers.
const PER_CPU: [u32; 4] = [5, 6, 10, 21];

impl RawMap<OwnedFd> {
    /// Creates a map from whatever the attributes say.
    pub fn create(attr: &MapAttr) -> io::Result<Self> {
        Self::new(sys::map::create(attr)?)
    }
}

impl<F: AsFd> RawMap<F> {
    /// Takes the sizes from the kernel's description of the map.
    pub fn new(fd: F) -> io::Result<Self> {
        let info = sys::map::info(fd.as_fd())?;
        if PER_CPU.contains(&info.type_) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a per-CPU map's values do not have its value size",
            ));
        }
        Ok(Self {
            fd,
            key_size: info.key_size as usize,
            value_size: info.value_size as usize,
        })
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub fn key_size(&self) -> usize {
        self.key_size
    }

    pub fn value_size(&self) -> usize {
        self.value_size
    }

    /// BPF_MAP_LOOKUP_ELEM.
    pub fn lookup(&self, key: &[u8], flags: u64) -> io::Result<Vec<u8>> {
        self.read(bpf_cmd::BPF_MAP_LOOKUP_ELEM, key, flags)
    }

    /// BPF_MAP_LOOKUP_AND_DELETE_ELEM.
    pub fn lookup_and_delete(&self, key: &[u8], flags: u64) -> io::Result<Vec<u8>> {
        self.read(bpf_cmd::BPF_MAP_LOOKUP_AND_DELETE_ELEM, key, flags)
    }

    fn read(&self, cmd: bpf_cmd, key: &[u8], flags: u64) -> io::Result<Vec<u8>> {
        let mut value = vec![0; self.value_size];
        let mut attr = self.element(self.checked_key(key), flags);
        attr.__bindgen_anon_2.__bindgen_anon_1.value = sys::address(value.as_mut_ptr());
        // SAFETY: `key` has key_size bytes to read, `value` value_size bytes to write.
        unsafe { sys::bpf(cmd, &mut attr) }?;
        Ok(value)
    }

    /// BPF_MAP_UPDATE_ELEM.
    pub fn update(&self, key: &[u8], value: &[u8], flags: u64) -> io::Result<()> {
        assert_eq!(
            value.len(),
            self.value_size,
            "the value's length is not the map's"
        );
        let mut attr = self.element(self.checked_key(key), flags);
        attr.__bindgen_anon_2.__bindgen_anon_1.value = sys::address(value.as_ptr());
        // SAFETY: the kernel reads key_size bytes of `key` and value_size bytes of `value`.
        unsafe { sys::bpf(bpf_cmd::BPF_MAP_UPDATE_ELEM, &mut attr) }.map(drop)
    }

    /// BPF_MAP_DELETE_ELEM.
    pub fn delete(&self, key: &[u8]) -> io::Result<()> {
        let mut attr = self.element(self.checked_key(key), 0);
        // SAFETY: the kernel reads key_size bytes of `key`.
        unsafe { sys::bpf(bpf_cmd::BPF_MAP_DELETE_ELEM, &mut attr) }.map(drop)
    }

    /// BPF_MAP_GET_NEXT_KEY: the key after `key`, the first one for `None`;
    /// ENOENT after the last.
    pub fn next_key(&self, key: Option<&[u8]>) -> io::Result<Vec<u8>> {
        let mut next = vec![0; self.key_size];
        let key = key.map_or(0, |key| self.checked_key(key));
        let mut attr = self.element(key, 0);
        attr.__bindgen_anon_2.__bindgen_anon_1.next_key = sys::address(next.as_mut_ptr());
        // SAFETY: `key` is null or has key_size bytes to read, `next` has key_size bytes to write.
        unsafe { sys::bpf(bpf_cmd::BPF_MAP_GET_NEXT_KEY, &mut attr) }?;
        Ok(next)
    }

    /// All keys by [`Self::next_key`], at most `limit`: a map that repeats a
    /// key would go on for ever.
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

    /// BPF_MAP_FREEZE.
    pub fn freeze(&self) -> io::Result<()> {
        sys::map::freeze(self.fd())
    }

    /// BPF_MAP_UPDATE_BATCH.
    pub fn update_batch(&self, elements: &[(Vec<u8>, Vec<u8>)], elem_flags: u64) -> Batch {
        let keys = self.packed(elements.iter().map(|(key, _)| key), self.key_size);
        let values = self.packed(elements.iter().map(|(_, value)| value), self.value_size);
        let mut attr = self.batch(&keys, elements.len());
        attr.batch.values = sys::address(values.as_ptr());
        attr.batch.elem_flags = elem_flags;
        // SAFETY: `keys` and `values` hold `count` elements of the map's sizes.
        unsafe { run_batch(bpf_cmd::BPF_MAP_UPDATE_BATCH, &mut attr) }
    }

    /// BPF_MAP_DELETE_BATCH.
    pub fn delete_batch(&self, keys: &[Vec<u8>]) -> Batch {
        let packed = self.packed(keys.iter(), self.key_size);
        let mut attr = self.batch(&packed, keys.len());
        // SAFETY: `packed` holds `count` keys of the map's size.
        unsafe { run_batch(bpf_cmd::BPF_MAP_DELETE_BATCH, &mut attr) }
    }

    /// BPF_MAP_LOOKUP_BATCH: up to `count` elements after the key `from`.
    pub fn lookup_batch(&self, from: Option<&[u8]>, count: usize) -> BatchElements {
        self.read_batch(bpf_cmd::BPF_MAP_LOOKUP_BATCH, from, count)
    }

    /// BPF_MAP_LOOKUP_AND_DELETE_BATCH.
    pub fn lookup_and_delete_batch(&self, from: Option<&[u8]>, count: usize) -> BatchElements {
        self.read_batch(bpf_cmd::BPF_MAP_LOOKUP_AND_DELETE_BATCH, from, count)
    }

    fn read_batch(&self, cmd: bpf_cmd, from: Option<&[u8]>, count: usize) -> BatchElements {
        let mut keys = vec![0; self.key_size * count];
        let mut values = vec![0; self.value_size * count];
        // The cursor of the generic batch is a key; hash tables use 4 bytes of it.
        let mut next = vec![0; self.key_size.max(4)];
        let mut attr = self.batch(&keys, count);
        attr.batch.keys = sys::address(keys.as_mut_ptr());
        attr.batch.values = sys::address(values.as_mut_ptr());
        attr.batch.in_batch = from.map_or(0, |from| {
            assert_eq!(
                from.len(),
                next.len(),
                "the cursor's length is not the map's"
            );
            sys::address(from.as_ptr())
        });
        attr.batch.out_batch = sys::address(next.as_mut_ptr());
        // SAFETY: `keys` and `values` have room for `count` elements; the cursors are as long as a key.
        let Batch { count, result } = unsafe { run_batch(cmd, &mut attr) };
        // An error before the walk leaves the count as it was given; then there are no elements.
        let reached = match &result {
            Ok(()) => count as usize,
            // The end, and a lock that gave up in between.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ETIMEDOUT)) => {
                count as usize
            }
            Err(_) => 0,
        };
        BatchElements {
            elements: keys
                .chunks(self.key_size)
                .zip(values.chunks(self.value_size))
                .take(reached)
                .map(|(key, value)| (key.to_vec(), value.to_vec()))
                .collect(),
            next,
            result,
        }
    }

    fn checked_key(&self, key: &[u8]) -> u64 {
        assert_eq!(
            key.len(),
            self.key_size,
            "the key's length is not the map's"
        );
        sys::address(key.as_ptr())
    }

    fn element(&self, key: u64, flags: u64) -> bpf_attr {
        let mut attr = sys::attr();
        attr.__bindgen_anon_2.map_fd = sys::raw(self.fd());
        attr.__bindgen_anon_2.key = key;
        attr.__bindgen_anon_2.flags = flags;
        attr
    }

    fn batch(&self, keys: &[u8], count: usize) -> bpf_attr {
        let mut attr = sys::attr();
        attr.batch.map_fd = sys::raw(self.fd());
        attr.batch.keys = sys::address(keys.as_ptr());
        attr.batch.count = count as u32;
        attr
    }

    fn packed<'a>(&self, parts: impl Iterator<Item = &'a Vec<u8>>, size: usize) -> Vec<u8> {
        let mut packed = vec![];
        for part in parts {
            assert_eq!(part.len(), size, "an element's length is not the map's");
            packed.extend_from_slice(part);
        }
        packed
    }
}

/// # Safety
///
/// As for [`sys::bpf`]; `attr` must hold its `batch` variant.
unsafe fn run_batch(cmd: bpf_cmd, attr: &mut bpf_attr) -> Batch {
    // SAFETY: passed on to the caller.
    let result = unsafe { sys::bpf(cmd, attr) }.map(drop);
    Batch {
        // SAFETY: the caller filled the `batch` variant, and the kernel counted in it.
        count: unsafe { attr.batch.count },
        result,
    }
}
