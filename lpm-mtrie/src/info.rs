// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel's description of a map, and finding maps by name.

use std::{
    fs, io,
    os::fd::{AsFd, AsRawFd, BorrowedFd},
};

use aya_obj::generated::bpf_map_info;

use crate::{
    Error, Layout, MapType,
    btf::Btf,
    kernel,
    sys::{
        map::{fd_by_id, info, next_id},
        prog::{btf_blob, btf_fd_by_id},
    },
};

/// A map as the kernel describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapInfo {
    /// Its id, which no other map has.
    pub id: u32,
    /// The name that it was created with, of up to 15 bytes.
    pub name: String,
    /// LPM_TRIE or LPM_MTRIE.
    pub map_type: MapType,
    /// Bytes of data in a key, after the prefixlen.
    pub data_size: usize,
    /// Bytes of a value.
    pub value_size: usize,
    /// How many entries it may have.
    pub max_entries: u32,
    /// BPF_F_ flags.
    pub flags: u32,
    /// Bytes of memory that it takes, according to `memlock` in its fdinfo. LPM_TRIE counts its
    /// entries, but not the nodes between them.
    pub memory: u64,
    /// Whether userspace can no longer write.
    pub frozen: bool,
}

pub(crate) fn of(fd: BorrowedFd<'_>) -> Result<MapInfo, Error> {
    let found = info(fd).map_err(Error::call("read the kernel's description of the map"))?;
    let path = format!("/proc/self/fdinfo/{}", fd.as_raw_fd());
    let text = fs::read_to_string(&path).map_err(Error::call(format!("read {path}")))?;
    Ok(MapInfo {
        id: found.id,
        name: name(&found),
        map_type: MapType::from_number(found.type_),
        data_size: (found.key_size as usize).saturating_sub(4),
        value_size: found.value_size as usize,
        max_entries: found.max_entries,
        flags: found.map_flags,
        memory: field(&text, "memlock").unwrap_or(0),
        frozen: field(&text, "frozen") == Some(1),
    })
}

/// The layout of the map's values according to its BTF.
pub(crate) fn value_layout(fd: BorrowedFd<'_>) -> Result<Option<Layout>, Error> {
    let found = info(fd).map_err(Error::call("read the kernel's description of the map"))?;
    if found.btf_value_type_id == 0 {
        return Ok(None);
    }
    let what = format!("read the map's BTF, id {}", found.btf_id);
    let blob = btf_fd_by_id(found.btf_id).and_then(|btf| btf_blob(btf.as_fd()));
    let blob = blob.map_err(Error::call(what))?;
    Ok(Btf::parse(&blob).and_then(|btf| Layout::of(&btf, found.btf_value_type_id))?)
}

/// The number after `name:` in fdinfo's text.
fn field(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    lines
        .find(|(key, _)| *key == name)
        .and_then(|(_, value)| value.trim().parse().ok())
}

fn name(info: &bpf_map_info) -> String {
    // C's char, which is signed on some CPUs.
    let bytes: Vec<u8> = info
        .name
        .iter()
        .flat_map(|char| char.to_ne_bytes())
        .collect();
    let name = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(name).into_owned()
}

/// The ids of the LPM maps with this name.
pub(crate) fn ids_named(wanted: &str) -> Result<Vec<u32>, Error> {
    let mtrie = kernel::mtrie().ok().flatten();
    let mut found = vec![];
    let mut id = 0;
    loop {
        id = match next_id(id) {
            Ok(id) => id,
            Err(error) if gone(&error) => return Ok(found),
            Err(error) => return Err(Error::call("list the maps")(error)),
        };
        let fd = match fd_by_id(id) {
            Ok(fd) => fd,
            // It was freed after it was listed.
            Err(error) if gone(&error) => continue,
            Err(error) => return Err(Error::call(format!("open the map with id {id}"))(error)),
        };
        let info =
            info(fd.as_fd()).map_err(Error::call("read the kernel's description of a map"))?;
        let map_type = MapType::from_number(info.type_);
        let lpm = map_type == MapType::LPM_TRIE || Some(map_type) == mtrie;
        if lpm && name(&info) == wanted {
            found.push(id);
        }
    }
}

fn gone(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENOENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_fdinfo_are_found_by_their_whole_name() {
        let text = "pos:\t0\nmap_type:\t36\nmemlock:\t4096\nfrozen:\t1\n";
        assert_eq!(field(text, "memlock"), Some(4096));
        assert_eq!(field(text, "frozen"), Some(1));
        assert_eq!(field(text, "lock"), None);
    }
}
