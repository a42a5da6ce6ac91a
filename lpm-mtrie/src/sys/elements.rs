// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bpf(2) commands on the elements of a map.
//!
//! Keys and values are byte slices whose lengths are checked against the map's
//! own sizes, which is what makes these calls safe: the kernel reads and
//! writes exactly that many bytes.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
};

use aya_obj::generated::{bpf_attr, bpf_cmd};

use super::{address, attr, bpf, map, raw};

/// A map with one value per key (not a per-CPU type, whose values are longer
/// than its value size says).
#[derive(Debug)]
pub struct Elements<F: AsFd> {
    fd: F,
    key_size: usize,
    value_size: usize,
}

/// What a batch command did: how many elements it processed before `result`.
#[derive(Debug)]
pub struct Batch {
    pub count: u32,
    pub result: io::Result<()>,
}

/// PERCPU_HASH, PERCPU_ARRAY, LRU_PERCPU_HASH, PERCPU_CGROUP_STORAGE: uapi numbers.
const PER_CPU: [u32; 4] = [5, 6, 10, 21];

impl<F: AsFd> Elements<F> {
    /// Takes the sizes from the kernel's description of the map.
    pub fn new(fd: F) -> io::Result<Self> {
        let info = map::info(fd.as_fd())?;
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

    pub fn into_fd(self) -> F {
        self.fd
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
        attr.__bindgen_anon_2.__bindgen_anon_1.value = address(value.as_mut_ptr());
        // SAFETY: `key` has key_size bytes to read, `value` value_size bytes to write.
        unsafe { bpf(cmd, &mut attr) }?;
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
        attr.__bindgen_anon_2.__bindgen_anon_1.value = address(value.as_ptr());
        // SAFETY: the kernel reads key_size bytes of `key` and value_size bytes of `value`.
        unsafe { bpf(bpf_cmd::BPF_MAP_UPDATE_ELEM, &mut attr) }.map(drop)
    }

    /// BPF_MAP_DELETE_ELEM.
    pub fn delete(&self, key: &[u8]) -> io::Result<()> {
        let mut attr = self.element(self.checked_key(key), 0);
        // SAFETY: the kernel reads key_size bytes of `key`.
        unsafe { bpf(bpf_cmd::BPF_MAP_DELETE_ELEM, &mut attr) }.map(drop)
    }

    /// BPF_MAP_GET_NEXT_KEY: the key after `key`, or the first one for `None`; ENOENT after the
    /// last.
    pub fn next_key(&self, key: Option<&[u8]>) -> io::Result<Vec<u8>> {
        let mut next = vec![0; self.key_size];
        let key = key.map_or(0, |key| self.checked_key(key));
        let mut attr = self.element(key, 0);
        attr.__bindgen_anon_2.__bindgen_anon_1.next_key = address(next.as_mut_ptr());
        // SAFETY: `key` is null or has key_size bytes to read, `next` has key_size bytes to write.
        unsafe { bpf(bpf_cmd::BPF_MAP_GET_NEXT_KEY, &mut attr) }?;
        Ok(next)
    }

    /// BPF_MAP_FREEZE.
    pub fn freeze(&self) -> io::Result<()> {
        map::freeze(self.fd())
    }

    /// BPF_MAP_UPDATE_BATCH of the keys and values that are packed in `keys` and `values`.
    pub fn update_batch_packed(&self, keys: &[u8], values: &[u8], elem_flags: u64) -> Batch {
        let count = self.count_of(keys);
        assert_eq!(
            values.len(),
            count * self.value_size,
            "there are not as many values as keys"
        );
        let mut attr = self.batch(keys, count);
        attr.batch.values = address(values.as_ptr());
        attr.batch.elem_flags = elem_flags;
        // SAFETY: `keys` and `values` hold `count` elements of the map's sizes.
        unsafe { run_batch(bpf_cmd::BPF_MAP_UPDATE_BATCH, &mut attr) }
    }

    /// BPF_MAP_DELETE_BATCH of the keys that are packed in `keys`.
    pub fn delete_batch_packed(&self, keys: &[u8]) -> Batch {
        let mut attr = self.batch(keys, self.count_of(keys));
        // SAFETY: `keys` holds `count` keys of the map's size.
        unsafe { run_batch(bpf_cmd::BPF_MAP_DELETE_BATCH, &mut attr) }
    }

    /// The cursor of the generic batch is a key; hash tables use 4 bytes of it.
    pub fn cursor_size(&self) -> usize {
        self.key_size.max(4)
    }

    /// BPF_MAP_LOOKUP_BATCH, or BPF_MAP_LOOKUP_AND_DELETE_BATCH to `delete` too,
    /// after the cursor `from`, into as many elements as `keys` has room for; the
    /// next cursor is left in `next`, which is as long as [`Self::cursor_size`].
    /// ENOENT, with a count, at the map's end.
    pub fn lookup_batch_packed(
        &self,
        delete: bool,
        from: Option<&[u8]>,
        keys: &mut [u8],
        values: &mut [u8],
        next: &mut [u8],
    ) -> Batch {
        let cmd = if delete {
            bpf_cmd::BPF_MAP_LOOKUP_AND_DELETE_BATCH
        } else {
            bpf_cmd::BPF_MAP_LOOKUP_BATCH
        };
        let count = self.count_of(keys);
        assert_eq!(
            values.len(),
            count * self.value_size,
            "there is not as much room for values as for keys"
        );
        assert_eq!(next.len(), self.cursor_size(), "the cursor has no room");
        let mut attr = self.batch(keys, count);
        attr.batch.keys = address(keys.as_mut_ptr());
        attr.batch.values = address(values.as_mut_ptr());
        attr.batch.in_batch = from.map_or(0, |from| {
            assert_eq!(
                from.len(),
                next.len(),
                "the cursor's length is not the map's"
            );
            address(from.as_ptr())
        });
        attr.batch.out_batch = address(next.as_mut_ptr());
        // SAFETY: `keys` and `values` have room for `count` elements; the cursors are as long as a key.
        let mut batch = unsafe { run_batch(cmd, &mut attr) };
        // An error before the walk leaves the given count unchanged, but then there are no
        // elements. The end of the map may be reached with the last of them.
        let unchanged = batch.count as usize == count;
        match &batch.result {
            Err(error) if unchanged && error.raw_os_error() != Some(libc::ENOENT) => {
                batch.count = 0;
            }
            _ => {}
        }
        batch
    }

    fn count_of(&self, keys: &[u8]) -> usize {
        assert_eq!(
            keys.len() % self.key_size,
            0,
            "an element's length is not the map's"
        );
        keys.len() / self.key_size
    }

    fn checked_key(&self, key: &[u8]) -> u64 {
        assert_eq!(
            key.len(),
            self.key_size,
            "the key's length is not the map's"
        );
        address(key.as_ptr())
    }

    fn element(&self, key: u64, flags: u64) -> bpf_attr {
        let mut attr = attr();
        attr.__bindgen_anon_2.map_fd = raw(self.fd());
        attr.__bindgen_anon_2.key = key;
        attr.__bindgen_anon_2.flags = flags;
        attr
    }

    fn batch(&self, keys: &[u8], count: usize) -> bpf_attr {
        let mut attr = attr();
        attr.batch.map_fd = raw(self.fd());
        attr.batch.keys = address(keys.as_ptr());
        attr.batch.count = count as u32;
        attr
    }
}

/// # Safety
///
/// As for [`bpf`]; `attr` must hold its `batch` variant.
unsafe fn run_batch(cmd: bpf_cmd, attr: &mut bpf_attr) -> Batch {
    // SAFETY: passed on to the caller.
    let result = unsafe { bpf(cmd, attr) }.map(drop);
    Batch {
        // SAFETY: the caller filled the `batch` variant, and the kernel counted in it.
        count: unsafe { attr.batch.count },
        result,
    }
}
