// SPDX-License-Identifier: MIT OR Apache-2.0
//! A table that is replaced as a whole: an LPM map inside an array or a hash
//! of maps.
//!
//! Programs look up the inner map in the outer one, and then the prefix in it. A new table is built
//! in a separate map, which programs do not see, and replaces the old one in one update.

use std::{
    marker::PhantomData,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
};

use crate::{
    Error, LpmMap, PrefixKey, Value,
    lpm_map::{is, pin},
    sys::{
        self,
        elements::Elements,
        map::{MapAttr, create, info},
    },
};

/// uapi numbers of the types whose values are maps.
const ARRAY_OF_MAPS: u32 = 12;
const HASH_OF_MAPS: u32 = 13;

/// An array or hash of LPM maps with keys `K` and values `V`; `S` is the outer map's key: `u32` for
/// an array.
///
/// ```no_run
/// use ipnet::Ipv4Net;
/// use lpm_mtrie::{LpmMap, OuterMap};
///
/// let new_table = || {
///     LpmMap::<Ipv4Net, u32>::builder("routes")
///         .max_entries(1_000_000)
///         .create()
/// };
/// let first = new_table()?;
/// let outer = OuterMap::<u32, Ipv4Net, u32>::array("tables", 1, &first)?;
/// outer.pin("/sys/fs/bpf/tables")?;
/// outer.set(&0, &first)?;
///
/// // Later: build the next table separately, and swap it in.
/// let next = new_table()?;
/// next.insert_all([("10.0.0.0/8".parse()?, 64512)])?;
/// outer.set(&0, &next)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct OuterMap<S, K, V> {
    elements: Elements<OwnedFd>,
    array_len: Option<u32>,
    types: PhantomData<fn(S) -> LpmMap<K, V>>,
}

impl<S, K, V> AsFd for OuterMap<S, K, V> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.elements.fd()
    }
}

impl<K: PrefixKey, V: Value> OuterMap<u32, K, V> {
    /// Creates an array of `len` places for maps like `template`: of its type,
    /// sizes and flags.
    pub fn array(name: &str, len: u32, template: &LpmMap<K, V>) -> Result<Self, Error> {
        Self::create(ARRAY_OF_MAPS, name, len, template)
    }
}

impl<S: Value, K: PrefixKey, V: Value> OuterMap<S, K, V> {
    /// Creates a hash of up to `max_entries` maps like `template`. `S` must have a fixed size.
    pub fn hash(name: &str, max_entries: u32, template: &LpmMap<K, V>) -> Result<Self, Error> {
        Self::create(HASH_OF_MAPS, name, max_entries, template)
    }

    fn create(
        map_type: u32,
        name: &str,
        max_entries: u32,
        template: &LpmMap<K, V>,
    ) -> Result<Self, Error> {
        let attr = MapAttr {
            map_type,
            key_size: S::SIZE.ok_or(Error::SizeNotGiven {
                what: "key",
                call: "nothing, with a key type of a fixed size,",
            })? as u32,
            value_size: 4,
            max_entries,
            inner_map_fd: sys::raw(template.as_fd()),
            ..MapAttr::default()
        };
        let fd = create(&attr.named(name))
            .map_err(Error::call(format!("create the outer map {name}")))?;
        Self::from_fd(fd)
    }

    /// Opens an outer map that is pinned in a BPF file system.
    pub fn from_pin(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let what = format!("open the outer map pinned at {}", path.display());
        Self::from_fd(sys::obj_get(path, 0).map_err(Error::call(what))?)
    }

    /// Uses an open outer map.
    pub fn from_fd(fd: OwnedFd) -> Result<Self, Error> {
        let what = "read the kernel's description of the outer map";
        let info = info(fd.as_fd()).map_err(Error::call(what))?;
        let found = info.type_;
        if ![ARRAY_OF_MAPS, HASH_OF_MAPS].contains(&found) {
            return Err(Error::WrongType {
                found,
                expected: "an array or hash of maps (12, 13)",
            });
        }
        let elements = Elements::new(fd).map_err(Error::call(what))?;
        let found = elements.key_size();
        match S::SIZE {
            Some(expected) if expected != found => Err(Error::Size {
                what: "key",
                found,
                expected,
            }),
            _ => Ok(Self {
                elements,
                array_len: (info.type_ == ARRAY_OF_MAPS).then_some(info.max_entries),
                types: PhantomData,
            }),
        }
    }

    /// Pins the outer map.
    pub fn pin(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        pin(self.as_fd(), path.as_ref(), "outer map")
    }

    /// Bytes of the outer map's own key; 4 for an array.
    pub fn key_size(&self) -> usize {
        self.elements.key_size()
    }

    /// How many places there are, if it is an array.
    pub fn array_len(&self) -> Option<u32> {
        self.array_len
    }

    /// The map that is at `slot`. It is opened by its id, which requires CAP_SYS_ADMIN; it may be
    /// replaced at any time afterwards.
    pub fn get(&self, slot: &S) -> Result<Option<LpmMap<K, V>>, Error> {
        match self.elements.lookup(self.slot(slot)?, 0) {
            Ok(id) => LpmMap::from_id(u32::from_bytes(&id)).map(Some),
            Err(error) if is(&error, libc::ENOENT) => Ok(None),
            Err(error) => Err(Error::call("look up the inner map")(error)),
        }
    }

    /// Puts `map` at `slot`, replacing the map there: a program that looks it up from now on finds
    /// the new map, one that is running may still use the old one. When the call returns, only
    /// sleepable programs may.
    pub fn set(&self, slot: &S, map: &LpmMap<K, V>) -> Result<(), Error> {
        let fd = sys::raw(map.as_fd()).to_ne_bytes();
        self.elements
            .update(self.slot(slot)?, &fd, 0)
            .map_err(Error::call("put the map into the outer one"))
    }

    fn slot<'a>(&self, slot: &'a S) -> Result<&'a [u8], Error> {
        let (found, expected) = (self.elements.key_size(), slot.bytes().len());
        if found != expected {
            return Err(Error::Size {
                what: "key",
                found,
                expected,
            });
        }
        Ok(slot.bytes())
    }
}
