// SPDX-License-Identifier: MIT OR Apache-2.0
//! bpf(2) attributes as bytes: prepared in advance, so that the call consists of a
//! single system call, and possibly invalid.
//!
//! The offsets are those of `union bpf_attr` in uapi bpf.h.

use std::os::fd::{AsRawFd, BorrowedFd};

use aya_obj::generated::{bpf_attach_type, bpf_cmd};
use raw_bpf::sys::map::MapAttr;

/// More than the size of the kernel's `union bpf_attr`, which gives E2BIG for unknown bytes.
pub const MAX_SIZE: usize = 256;
/// Enough for all map commands.
const SIZE: usize = 128;

pub struct RawCall {
    pub cmd: u32,
    pub attr: [u8; MAX_SIZE],
    pub size: usize,
    /// Memory that addresses in `attr` point to.
    memory: Vec<Box<[u8]>>,
}

impl RawCall {
    pub fn new(cmd: u32) -> Self {
        Self {
            cmd,
            attr: [0; MAX_SIZE],
            size: SIZE,
            memory: vec![],
        }
    }

    pub fn put32(mut self, at: usize, number: u32) -> Self {
        self.attr[at..at + 4].copy_from_slice(&number.to_ne_bytes());
        self
    }

    pub fn put64(mut self, at: usize, number: u64) -> Self {
        self.attr[at..at + 8].copy_from_slice(&number.to_ne_bytes());
        self
    }

    fn put_fd(self, at: usize, fd: BorrowedFd<'_>) -> Self {
        self.put32(at, fd.as_raw_fd() as u32)
    }

    /// Puts the address of `bytes`, which the kernel may write to.
    fn put_memory(mut self, at: usize, bytes: &[u8]) -> Self {
        let mut bytes: Box<[u8]> = bytes.into();
        let address = bytes.as_mut_ptr() as u64;
        self.memory.push(bytes);
        self.put64(at, address)
    }

    /// Lookup, update, delete or get_next_key; `value` is the value or next key, or empty.
    pub fn element(cmd: bpf_cmd, map: BorrowedFd<'_>, key: &[u8], value: &[u8]) -> Self {
        let call = Self::new(cmd as u32).put_fd(0, map).put_memory(8, key);
        match value {
            [] => call,
            value => call.put_memory(16, value),
        }
    }

    pub fn update(map: BorrowedFd<'_>, key: &[u8], value: &[u8]) -> Self {
        Self::element(bpf_cmd::BPF_MAP_UPDATE_ELEM, map, key, value)
    }

    /// A batch of `count` elements; `cursor` must have room for a key.
    pub fn batch(
        cmd: bpf_cmd,
        map: BorrowedFd<'_>,
        cursor: &[u8],
        keys: &[u8],
        values: &[u8],
        count: usize,
    ) -> Self {
        Self::new(cmd as u32)
            .put_memory(8, cursor)
            .put_memory(16, keys)
            .put_memory(24, values)
            .put32(32, count as u32)
            .put_fd(36, map)
    }

    pub fn create(attr: &MapAttr) -> Self {
        let mut call = Self::new(bpf_cmd::BPF_MAP_CREATE as u32)
            .put32(0, attr.map_type)
            .put32(4, attr.key_size)
            .put32(8, attr.value_size)
            .put32(12, attr.max_entries)
            .put32(16, attr.map_flags)
            .put32(20, attr.inner_map_fd)
            .put32(24, attr.numa_node)
            .put32(48, attr.btf_fd)
            .put32(52, attr.btf_key_type_id)
            .put32(56, attr.btf_value_type_id);
        call.attr[28..44].copy_from_slice(&attr.name);
        call
    }

    pub fn freeze(map: BorrowedFd<'_>) -> Self {
        Self::new(bpf_cmd::BPF_MAP_FREEZE as u32).put_fd(0, map)
    }

    /// `path` ends with a NUL.
    pub fn pin(fd: BorrowedFd<'_>, path: &[u8]) -> Self {
        Self::new(bpf_cmd::BPF_OBJ_PIN as u32)
            .put_memory(0, path)
            .put_fd(8, fd)
    }

    /// `path` ends with a NUL.
    pub fn get(path: &[u8]) -> Self {
        Self::new(bpf_cmd::BPF_OBJ_GET as u32).put_memory(0, path)
    }

    pub fn info(fd: BorrowedFd<'_>) -> Self {
        let room = [0; 256];
        Self::new(bpf_cmd::BPF_OBJ_GET_INFO_BY_FD as u32)
            .put_fd(0, fd)
            .put32(4, room.len() as u32)
            .put_memory(8, &room)
    }

    /// Loads a program under the GPL.
    pub fn load(prog_type: u32, instructions: &[u8]) -> Self {
        Self::new(bpf_cmd::BPF_PROG_LOAD as u32)
            .put32(0, prog_type)
            .put32(4, (instructions.len() / 8) as u32)
            .put_memory(8, instructions)
            .put_memory(16, b"GPL\0")
    }

    /// Runs a program on a packet of zeros.
    pub fn run(program: BorrowedFd<'_>) -> Self {
        let packet = [0; 64];
        Self::new(bpf_cmd::BPF_PROG_TEST_RUN as u32)
            .put_fd(0, program)
            .put32(8, packet.len() as u32)
            .put_memory(16, &packet)
    }

    /// A link of an iterator program to the elements of a map.
    pub fn iterator_over(program: BorrowedFd<'_>, map: BorrowedFd<'_>) -> Self {
        let info = (map.as_raw_fd() as u32).to_ne_bytes();
        Self::new(bpf_cmd::BPF_LINK_CREATE as u32)
            .put_fd(0, program)
            .put32(8, bpf_attach_type::BPF_TRACE_ITER as u32)
            .put_memory(16, &info)
            .put32(24, info.len() as u32)
    }

    /// The call's memory number `index`, with what the kernel has written there.
    pub fn memory(&self, index: usize) -> &[u8] {
        &self.memory[index]
    }

    pub fn get32(&self, at: usize) -> u32 {
        let mut word = [0; 4];
        word.copy_from_slice(&self.attr[at..at + 4]);
        u32::from_ne_bytes(word)
    }

    /// Makes the call; returns the kernel's result or the errno.
    ///
    /// # Safety
    ///
    /// If an address in `attr` is in this process's memory, the kernel must be allowed
    /// to access it as the command specifies.
    pub unsafe fn make(&mut self) -> Result<i64, i32> {
        // SAFETY: the kernel reads and writes at most `size` bytes of `attr`, which is no smaller;
        // the caller vouches for the addresses in it.
        unsafe { bpf(self.cmd, self.attr.as_mut_ptr() as u64, self.size) }
    }
}

/// Calls bpf(2) with attributes at any address; returns the kernel's result or the errno.
///
/// # Safety
///
/// If `attr`, or an address in the attributes, is in this process's memory, the kernel
/// must be allowed to access it as the command specifies.
pub unsafe fn bpf(cmd: u32, attr: u64, size: usize) -> Result<i64, i32> {
    // SAFETY: a bad address gives an errno; the caller vouches for the others.
    let ret = unsafe { libc::syscall(libc::SYS_bpf, cmd, attr, size) };
    if ret >= 0 {
        return Ok(ret);
    }
    // SAFETY: this reads the errno of this thread.
    Err(unsafe { *libc::__errno_location() })
}
