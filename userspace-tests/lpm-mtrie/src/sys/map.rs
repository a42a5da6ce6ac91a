// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bpf(2) commands that make, find and describe maps. What reads and
//! writes elements is in [`crate::RawMap`], which knows the sizes.

use std::{
    io, mem,
    os::fd::{BorrowedFd, OwnedFd},
};

use aya_obj::generated::{bpf_cmd, bpf_map_info};

use super::{address, attr, bpf, bpf_fd, raw};

/// Everything BPF_MAP_CREATE takes; file descriptors are plain numbers, so
/// that wrong ones can be tried too.
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
}

impl MapAttr {
    /// Sets the name, cut to the 15 bytes that the kernel keeps.
    pub fn named(mut self, name: &str) -> Self {
        let len = name.len().min(self.name.len() - 1);
        self.name = [0; 16];
        self.name[..len].copy_from_slice(&name.as_bytes()[..len]);
        self
    }
}

/// BPF_MAP_CREATE.
pub fn create(map: &MapAttr) -> io::Result<OwnedFd> {
    let mut attr = attr();
    // Writing a union's field is safe; the other fields stay zero.
    attr.__bindgen_anon_1.map_type = map.map_type;
    attr.__bindgen_anon_1.key_size = map.key_size;
    attr.__bindgen_anon_1.value_size = map.value_size;
    attr.__bindgen_anon_1.max_entries = map.max_entries;
    attr.__bindgen_anon_1.map_flags = map.map_flags;
    attr.__bindgen_anon_1.inner_map_fd = map.inner_map_fd;
    attr.__bindgen_anon_1.numa_node = map.numa_node;
    attr.__bindgen_anon_1.map_name = map.name.map(|byte| byte as libc::c_char);
    attr.__bindgen_anon_1.map_ifindex = map.ifindex;
    attr.__bindgen_anon_1.btf_fd = map.btf_fd;
    attr.__bindgen_anon_1.btf_key_type_id = map.btf_key_type_id;
    attr.__bindgen_anon_1.btf_value_type_id = map.btf_value_type_id;
    attr.__bindgen_anon_1.btf_vmlinux_value_type_id = map.btf_vmlinux_value_type_id;
    attr.__bindgen_anon_1.map_extra = map.map_extra;
    // SAFETY: this command takes no addresses here, and answers with a new descriptor.
    unsafe { bpf_fd(bpf_cmd::BPF_MAP_CREATE, &mut attr) }
}

/// BPF_OBJ_GET_INFO_BY_FD on a map.
pub fn info(fd: BorrowedFd<'_>) -> io::Result<bpf_map_info> {
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
    let mut attr = attr();
    attr.__bindgen_anon_6.__bindgen_anon_1.map_id = id;
    // SAFETY: this command takes no addresses, and answers with a new descriptor.
    unsafe { bpf_fd(bpf_cmd::BPF_MAP_GET_FD_BY_ID, &mut attr) }
}

/// BPF_MAP_FREEZE: from now on userspace only reads.
pub fn freeze(fd: BorrowedFd<'_>) -> io::Result<()> {
    let mut attr = attr();
    attr.__bindgen_anon_2.map_fd = raw(fd);
    // SAFETY: this command takes no addresses.
    unsafe { bpf(bpf_cmd::BPF_MAP_FREEZE, &mut attr) }.map(drop)
}
