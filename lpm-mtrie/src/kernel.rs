// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the running kernel can do with LPM maps, determined once per process.

use std::{fs, io, os::fd::OwnedFd, path::PathBuf, sync::OnceLock};

use crate::{
    MapType, MapTypeError,
    btf::{Btf, BtfError},
    sys::{
        elements::Elements,
        map::{self, MapAttr},
    },
};

const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// BPF_F_NO_PREALLOC, which LPM_TRIE requires.
pub(crate) const NO_PREALLOC: u32 = 1;

/// What the running kernel has for a map beyond the commands that every kernel
/// has for LPM_TRIE ([`LpmMap::features`](crate::LpmMap::features)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// Programs can ask for the length of a match (the kfunc `bpf_lpm_match_len`):
    /// [`longest_match`](crate::LpmMap::longest_match) and [`covering`](crate::LpmMap::covering)
    /// make one call per match, and find it in the kernel.
    pub match_len: bool,
    /// The map accepts any prefix as the cursor of a batch: walks start and continue anywhere, and
    /// read key and value of the same entry. LPM_TRIE does not.
    pub positions: bool,
}

/// What the library needs from the kernel's BTF.
#[derive(Clone, Copy)]
struct Known {
    mtrie: Option<u32>,
    match_len: Option<u32>,
}

/// Reads the kernel's BTF and lets `look` find something in it.
pub(crate) fn read_btf<T>(
    look: impl FnOnce(&Btf<'_>) -> Result<T, BtfError>,
) -> Result<T, MapTypeError> {
    let path = || PathBuf::from(VMLINUX);
    let blob = fs::read(VMLINUX).map_err(|source| MapTypeError::Read {
        path: path(),
        source,
    })?;
    let found = Btf::parse(&blob).and_then(|btf| look(&btf));
    found.map_err(|source| MapTypeError::Parse {
        path: path(),
        source,
    })
}

fn known() -> Result<Known, MapTypeError> {
    static KNOWN: OnceLock<Known> = OnceLock::new();
    if let Some(known) = KNOWN.get() {
        return Ok(*known);
    }
    let known = read_btf(|btf| {
        Ok(Known {
            mtrie: btf.enumerator("bpf_map_type", "BPF_MAP_TYPE_LPM_MTRIE")?,
            match_len: btf.function("bpf_lpm_match_len")?,
        })
    })?;
    Ok(*KNOWN.get_or_init(|| known))
}

/// The number of LPM_MTRIE, if this kernel has it.
pub(crate) fn mtrie() -> Result<Option<MapType>, MapTypeError> {
    Ok(known()?.mtrie.map(MapType::from_number))
}

/// The BTF id of the kfunc; `None` without it, or without BTF to find it in.
pub(crate) fn match_len() -> Option<u32> {
    known().ok()?.match_len
}

/// Whether a batch on LPM_MTRIE continues from a prefix that is not in the map. A temporary map of
/// one entry shows it; without the right to create one the answer is no.
pub(crate) fn positions() -> bool {
    static POSITIONS: OnceLock<bool> = OnceLock::new();
    *POSITIONS
        .get_or_init(|| matches!(mtrie(), Ok(Some(mtrie)) if try_position(mtrie).unwrap_or(false)))
}

/// Nothing follows the position of the shortest prefix; a kernel that treats the cursor as an
/// unknown key starts over and finds the entry.
fn try_position(mtrie: MapType) -> io::Result<bool> {
    let attr = MapAttr {
        map_type: mtrie.number(),
        key_size: 5,
        value_size: 1,
        max_entries: 1,
        map_flags: NO_PREALLOC,
        ..MapAttr::default()
    };
    let map: Elements<OwnedFd> = Elements::new(map::create(&attr.named("lpm_probe"))?)?;
    let mut key = [0; 5];
    let position = key;
    key[..4].copy_from_slice(&1u32.to_ne_bytes());
    map.update(&key, &[0], 0)?;
    let (mut found, mut value, mut next) = ([0; 5], [0; 1], [0; 5]);
    let batch = map.lookup_batch_packed(false, Some(&position), &mut found, &mut value, &mut next);
    match batch.result {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(batch.count == 0),
        result => result.map(|()| false),
    }
}
