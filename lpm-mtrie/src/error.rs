// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why a call on a map failed, what was expected, and what to do.

use std::{io, path::PathBuf};

use libc::{E2BIG, EACCES, EEXIST, EINVAL, ENODEV, ENOENT, ENOMEM, ENOSPC, EPERM};
use thiserror::Error;

use crate::{MapTypeError, btf::BtfError, sys::prog::Rejected};

/// An error of [`LpmMap`](crate::LpmMap) or [`OuterMap`](crate::OuterMap).
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The map type has no number on this kernel.
    #[error(transparent)]
    MapType(#[from] MapTypeError),
    /// The map's BTF is broken, or newer than this library.
    #[error("cannot understand the map's BTF: {0}")]
    Btf(#[from] BtfError),
    /// A call of bpf(2) failed.
    #[error("cannot {what}: {source}{}", hint(source))]
    Call {
        /// What was tried, as an infinitive.
        what: String,
        /// The errno.
        source: io::Error,
    },
    /// A batch failed after part of it was done.
    #[error("{done} entries were done before this error: {source}")]
    Batch {
        /// How many elements were done.
        done: u64,
        /// Why the next one was not.
        source: Box<Error>,
    },
    /// The map is of another type.
    #[error("the map is of type {found}; expected {expected}")]
    WrongType {
        /// The uapi number of its type.
        found: u32,
        /// The types that would do.
        expected: &'static str,
    },
    /// The map's keys or values have another size than the Rust type.
    #[error(
        "the map's {what} has {found} bytes, the type in this program {expected}; \
         open it with a type of that size, or BytePrefix and Bytes, which take any"
    )]
    Size {
        /// Key data or value.
        what: &'static str,
        /// The map's size.
        found: usize,
        /// The type's size.
        expected: usize,
    },
    /// A size that the builder needs and was not given.
    #[error(
        "the size of the map's {what} is not given: BytePrefix and Bytes have no fixed size; call {call} before create"
    )]
    SizeNotGiven {
        /// Key data or value.
        what: &'static str,
        /// The builder's method that sets it.
        call: &'static str,
    },
    /// A size that no map can have.
    #[error("a {what} of {bytes} bytes is larger than any map's")]
    TooLarge {
        /// Key data or value.
        what: &'static str,
        /// The size.
        bytes: usize,
    },
    /// A name that the kernel would refuse.
    #[error("'{name}' cannot name a map: use ASCII letters, digits, '_' and '.'")]
    Name {
        /// The name.
        name: String,
    },
    /// A prefix that the map's keys have no room for.
    #[error("a prefix of {len} bits does not fit into this map: its keys have {bits} bits")]
    TooLong {
        /// The prefix's length.
        len: u32,
        /// The bits of the map's keys.
        bits: usize,
    },
    /// The map holds a prefix that the key type cannot represent.
    #[error(
        "the map holds a prefix of {len} bits that this program's key type cannot represent (data {data:02x?}); BytePrefix takes any"
    )]
    ForeignKey {
        /// The prefix's length.
        len: u32,
        /// Its bytes.
        data: Vec<u8>,
    },
    /// No map has the name.
    #[error("no map is named '{name}'; names have at most 15 bytes, and `bpftool map` lists them")]
    NoSuchName {
        /// The name looked for.
        name: String,
    },
    /// Several maps have the name.
    #[error("several maps are named '{name}', with the ids {ids:?}; open one of them by its id")]
    AmbiguousName {
        /// The name looked for.
        name: String,
        /// The maps that have it.
        ids: Vec<u32>,
    },
    /// The pin is of a map that differs from what was asked for.
    #[error(
        "the map pinned at {path} has {what} {found}, not {expected}; remove the pin to create a new map, or ask for the map's own properties"
    )]
    PinDiffers {
        /// The pin.
        path: PathBuf,
        /// What differs.
        what: &'static str,
        /// What the pinned map has.
        found: u64,
        /// What was asked for.
        expected: u64,
    },
    /// The kernel has the kfunc, and refused the program that calls it.
    #[error(
        "the kernel refused the program that finds the length of a match; this is a defect of the library, please report it: {0}"
    )]
    Program(#[from] Rejected),
    /// Other processes changed the matches of a key faster than they could be read.
    #[error("the matches of the key kept changing while they were read; try again")]
    Busy,
}

impl Error {
    pub(crate) fn call(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        |source| Self::Call {
            what: what.into(),
            source,
        }
    }

    /// The errno, if the kernel gave one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Call { source, .. } => source.raw_os_error(),
            Self::Batch { source, .. } => source.errno(),
            Self::Program(rejected) => rejected.error.raw_os_error(),
            _ => None,
        }
    }
}

/// What to do about an errno, where that does not depend on the call.
fn hint(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(EPERM) => {
            "; run as root, or with CAP_BPF (and CAP_SYS_ADMIN to open maps by id or name, or BTF); \
             a frozen or read-only map takes no writes"
        }
        Some(EACCES) => {
            "; the file is not a pin, or its permissions or a security module forbid it"
        }
        Some(ENOENT) => "; it is not there",
        Some(EEXIST) => "; it is there already",
        Some(ENOSPC) => "; the map is full: create one with more max_entries",
        Some(E2BIG) => "; it is larger than the kernel allows",
        Some(ENOMEM) => "; memory is short, or a memory cgroup's limit is reached",
        Some(ENODEV) => "; the kernel lacks support, or the module is not loaded",
        Some(EINVAL) => "; the kernel rejects these attributes: check sizes, flags and type",
        _ => "",
    }
}
