// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bpf(2) commands that create, find and describe maps. The ones that read and write elements
//! are in [`super::elements`], which knows the sizes.

use std::{
    fs, io, mem,
    os::{
        fd::{AsRawFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
};

use aya_obj::generated::{bpf_cmd, bpf_map_info};

use super::{address, attr, bpf, bpf_fd, bpf_with, new_fd, raw};

/// All attributes of BPF_MAP_CREATE, laid out as in `union bpf_attr` of Linux 7.3; file descriptors
/// and the address are plain numbers, so that wrong ones can be tried too.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct MapAttr {
    pub map_type: u32,
    pub key_size: u32,
    pub value_size: u32,
    pub max_entries: u32,
    pub map_flags: u32,
    pub inner_map_fd: u32,
    pub numa_node: u32,
    pub name: [u8; 16],
    pub ifindex: u32,
    pub btf_fd: u32,
    pub btf_key_type_id: u32,
    pub btf_value_type_id: u32,
    pub btf_vmlinux_value_type_id: u32,
    pub map_extra: u64,
    pub value_type_btf_obj_fd: i32,
    pub map_token_fd: i32,
    /// The address of the hash of the only program that may use the map, or 0.
    pub excl_prog_hash: u64,
    pub excl_prog_hash_size: u32,
    /// After the last attribute that Linux 7.3 knows.
    pub unknown: u32,
}

impl MapAttr {
    /// Sets the name, truncated to the 15 bytes that the kernel keeps.
    pub fn named(mut self, name: &str) -> Self {
        let len = name.len().min(self.name.len() - 1);
        self.name = [0; 16];
        self.name[..len].copy_from_slice(&name.as_bytes()[..len]);
        self
    }
}

/// BPF_MAP_CREATE.
pub fn create(map: &MapAttr) -> io::Result<OwnedFd> {
    let mut attr = *map;
    // SAFETY: `excl_prog_hash` is the only address, and the kernel only reads there, and checks it
    // before. It returns a new descriptor.
    unsafe { new_fd(bpf_with(bpf_cmd::BPF_MAP_CREATE, &mut attr)) }
}

/// BPF_OBJ_GET_INFO_BY_FD on a map. Other objects have it, too: a program, or a link.
pub fn info(fd: BorrowedFd<'_>) -> io::Result<bpf_map_info> {
    // Only the file's name tells them apart. Without /proc, it is taken for a map.
    if let Ok(name) = fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()))
        && !name.as_os_str().as_bytes().ends_with(b"bpf-map")
    {
        let what = format!("it is not a map, but {}", name.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    // SAFETY: `bpf_map_info` is a C struct of integers; all zeros is a value of it.
    let mut info: bpf_map_info = unsafe { mem::zeroed() };
    let mut attr = attr();
    attr.info.bpf_fd = raw(fd);
    attr.info.info_len = mem::size_of::<bpf_map_info>() as u32;
    attr.info.info = address(&raw mut info);
    // SAFETY: the kernel writes at most `info_len` bytes to `info`.
    unsafe { bpf(bpf_cmd::BPF_OBJ_GET_INFO_BY_FD, &mut attr) }?;
    Ok(info)
}

/// BPF_MAP_GET_NEXT_ID: the smallest map id above `after`; ENOENT at the end.
pub fn next_id(after: u32) -> io::Result<u32> {
    let mut attr = attr();
    attr.__bindgen_anon_6.__bindgen_anon_1.start_id = after;
    // SAFETY: this command takes no addresses.
    unsafe { bpf(bpf_cmd::BPF_MAP_GET_NEXT_ID, &mut attr) }?;
    // SAFETY: the kernel has written `next_id` of this same variant.
    Ok(unsafe { attr.__bindgen_anon_6 }.next_id)
}

/// BPF_MAP_GET_FD_BY_ID.
pub fn fd_by_id(id: u32) -> io::Result<OwnedFd> {
    fd_by_id_for(id, 0)
}

/// Like [`fd_by_id`]; `open_flags` is BPF_F_RDONLY or BPF_F_WRONLY, or 0.
pub fn fd_by_id_for(id: u32, open_flags: u32) -> io::Result<OwnedFd> {
    let mut attr = attr();
    attr.__bindgen_anon_6.__bindgen_anon_1.map_id = id;
    attr.__bindgen_anon_6.open_flags = open_flags;
    // SAFETY: this command takes no addresses, and returns a new descriptor.
    unsafe { bpf_fd(bpf_cmd::BPF_MAP_GET_FD_BY_ID, &mut attr) }
}

/// BPF_MAP_FREEZE: from now on userspace only reads.
pub fn freeze(fd: BorrowedFd<'_>) -> io::Result<()> {
    let mut attr = attr();
    attr.__bindgen_anon_2.map_fd = raw(fd);
    // SAFETY: this command takes no addresses.
    unsafe { bpf(bpf_cmd::BPF_MAP_FREEZE, &mut attr) }.map(drop)
}
