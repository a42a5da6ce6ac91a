// SPDX-License-Identifier: MIT OR Apache-2.0
//! A map type as the running kernel numbers it.
//!
//! 36 belongs to LPM_MTRIE only on a kernel with our patches: elsewhere it may
//! be another type's, and a map of the wrong type is worse than none. So the
//! number comes from `enum bpf_map_type` in the kernel's own BTF, by name.

use std::{fs, io, path::PathBuf};

use thiserror::Error;

use crate::btf::{Btf, BtfError};

const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// Why a map type has no number here.
#[derive(Debug, Error)]
pub enum MapTypeError {
    #[error(
        "cannot read the kernel's BTF at {path}: {source}; \
         mount sysfs, and boot a kernel with CONFIG_DEBUG_INFO_BTF=y"
    )]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot understand the kernel's BTF at {path}: {source}")]
    Parse { path: PathBuf, source: BtfError },
    #[error(
        "this kernel has no {name}: it lacks the patch series that declares the map type; \
         boot a kernel built with patches/ applied (the running one is {release})"
    )]
    Missing { name: String, release: String },
}

/// A map type's number on the running kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MapType(u32);

impl MapType {
    /// The kernel's built-in trie, for comparisons; its number is uapi.
    pub const LPM_TRIE: Self = Self(11);

    /// `BPF_MAP_TYPE_LPM_MTRIE` of the running kernel.
    pub fn lpm_mtrie() -> Result<Self, MapTypeError> {
        Self::by_name("BPF_MAP_TYPE_LPM_MTRIE")
    }

    /// The type called `name` in `enum bpf_map_type` of the running kernel's
    /// BTF. Reads the whole BTF (a few MB): keep the answer.
    pub fn by_name(name: &str) -> Result<Self, MapTypeError> {
        let path = || PathBuf::from(VMLINUX);
        let blob = fs::read(VMLINUX).map_err(|source| MapTypeError::Read {
            path: path(),
            source,
        })?;
        Btf::parse(&blob)
            .and_then(|btf| btf.enumerator("bpf_map_type", name))
            .map_err(|source| MapTypeError::Parse {
                path: path(),
                source,
            })?
            .map(Self)
            .ok_or_else(|| MapTypeError::Missing {
                name: name.to_owned(),
                release: release(),
            })
    }

    /// A number taken as it is, for tests of numbers that nobody declared.
    pub const fn from_number(number: u32) -> Self {
        Self(number)
    }

    pub const fn number(self) -> u32 {
        self.0
    }
}

fn release() -> String {
    fs::read_to_string("/proc/sys/kernel/osrelease")
        .map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}
