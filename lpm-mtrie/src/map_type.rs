// SPDX-License-Identifier: MIT OR Apache-2.0
//! A map type as the running kernel numbers it.
//!
//! 36 belongs to LPM_MTRIE only on a kernel with this project's patches: elsewhere it may be
//! another type's, and a map of the wrong type is worse than none. So the number comes from `enum
//! bpf_map_type` in the kernel's own BTF, by name.

use std::{fs, io, path::PathBuf};

use thiserror::Error;

use crate::{btf::BtfError, kernel};

/// Why a map type has no number here.
#[derive(Debug, Error)]
pub enum MapTypeError {
    /// There is no BTF.
    #[error(
        "cannot read the kernel's BTF at {path}: {source}; \
         mount sysfs, and boot a kernel with CONFIG_DEBUG_INFO_BTF=y"
    )]
    Read {
        /// Where it was looked for.
        path: PathBuf,
        /// Why it was not read.
        source: io::Error,
    },
    /// It is broken, or newer than this library.
    #[error("cannot understand the kernel's BTF at {path}: {source}")]
    Parse {
        /// Where it was read.
        path: PathBuf,
        /// What is wrong.
        source: BtfError,
    },
    /// The kernel does not know the type.
    #[error(
        "this kernel has no {name}: it lacks the patch series that declares the map type; \
         boot a kernel built with patches/ applied (the running one is {release})"
    )]
    Missing {
        /// The type's name.
        name: String,
        /// The running kernel's release.
        release: String,
    },
}

/// A map type's number on the running kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MapType(u32);

impl MapType {
    /// The kernel's built-in trie, for comparisons; its number is uapi.
    pub const LPM_TRIE: Self = Self(11);

    /// `BPF_MAP_TYPE_LPM_MTRIE` of the running kernel.
    pub fn lpm_mtrie() -> Result<Self, MapTypeError> {
        kernel::mtrie()?.ok_or_else(|| Self::missing("BPF_MAP_TYPE_LPM_MTRIE"))
    }

    /// The type called `name` in `enum bpf_map_type` of the running kernel's BTF. Reads the whole
    /// BTF (a few MB), so keep the answer.
    pub fn by_name(name: &str) -> Result<Self, MapTypeError> {
        kernel::read_btf(|btf| btf.enumerator("bpf_map_type", name))?
            .map(Self)
            .ok_or_else(|| Self::missing(name))
    }

    fn missing(name: &str) -> MapTypeError {
        MapTypeError::Missing {
            name: name.to_owned(),
            release: release(),
        }
    }

    /// A number taken as it is, such as that of an open map.
    pub const fn from_number(number: u32) -> Self {
        Self(number)
    }

    /// What `struct bpf_map_info` and BPF_MAP_CREATE call it.
    pub const fn number(self) -> u32 {
        self.0
    }
}

fn release() -> String {
    fs::read_to_string("/proc/sys/kernel/osrelease")
        .map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}
