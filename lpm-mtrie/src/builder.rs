// SPDX-License-Identifier: MIT OR Apache-2.0
//! Creates a map, or opens the one that is pinned at the given path.

use std::{
    marker::PhantomData,
    path::{Path, PathBuf},
};

use crate::{
    Error, LpmMap, MapType, PrefixKey, Value, kernel,
    sys::{
        self,
        map::{MapAttr, create},
    },
};

/// The properties of a new map; made by [`LpmMap::builder`].
#[derive(Clone, Debug)]
pub struct Builder<K, V> {
    name: String,
    map_type: Option<MapType>,
    max_entries: u32,
    flags: u32,
    data_size: Option<usize>,
    value_size: Option<usize>,
    pin: Option<PathBuf>,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K: PrefixKey, V: Value> Builder<K, V> {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            map_type: None,
            max_entries: 65_536,
            flags: 0,
            data_size: K::DATA_SIZE,
            value_size: V::SIZE,
            pin: None,
            types: PhantomData,
        }
    }

    /// [`MapType::LPM_TRIE`] or [`MapType::lpm_mtrie`], which is the default.
    pub fn map_type(mut self, map_type: MapType) -> Self {
        self.map_type = Some(map_type);
        self
    }

    /// How many entries the map may have, by default 65,536. An LPM map takes memory only for those
    /// that it has.
    pub fn max_entries(mut self, max_entries: u32) -> Self {
        self.max_entries = max_entries;
        self
    }

    /// BPF_F_ flags of the kernel, in addition to BPF_F_NO_PREALLOC, which is always set.
    pub fn flags(mut self, flags: u32) -> Self {
        self.flags = flags;
        self
    }

    /// Bytes of data in a key (1 to 256), for key types of variable size.
    pub fn data_size(mut self, bytes: usize) -> Self {
        self.data_size = Some(bytes);
        self
    }

    /// Bytes of a value, for value types of variable size.
    pub fn value_size(mut self, bytes: usize) -> Self {
        self.value_size = Some(bytes);
        self
    }

    /// Pins the map to a path in a BPF file system, such as `/sys/fs/bpf/routes`.
    pub fn pin(mut self, path: impl AsRef<Path>) -> Self {
        self.pin = Some(path.as_ref().to_owned());
        self
    }

    /// Creates the map, and pins it if a path was given. Fails if something is pinned there
    /// already.
    pub fn create(&self) -> Result<LpmMap<K, V>, Error> {
        let not_given = |what, call| move || Error::SizeNotGiven { what, call };
        let data_size = self
            .data_size
            .ok_or_else(not_given("key data", "data_size"))?;
        let value_size = self
            .value_size
            .ok_or_else(not_given("value", "value_size"))?;
        let attr = MapAttr {
            map_type: self.number()?.number(),
            key_size: 4 + data_size as u32,
            value_size: value_size as u32,
            max_entries: self.max_entries,
            map_flags: self.flags | kernel::NO_PREALLOC,
            ..MapAttr::default()
        };
        let what = || {
            format!(
                "create the map {} (type {}, key {}, value {}, max_entries {}, flags {:#x})",
                self.name,
                attr.map_type,
                attr.key_size,
                attr.value_size,
                attr.max_entries,
                attr.map_flags
            )
        };
        let fd = create(&attr.named(&self.name)).map_err(|error| Error::call(what())(error))?;
        let map = LpmMap::from_fd(fd)?;
        if let Some(path) = &self.pin {
            map.pin(path)?;
        }
        Ok(map)
    }

    /// Opens the map that is pinned at the path, or creates one and pins it. The pinned one must
    /// have the type, sizes, max_entries and flags that were asked for. If several processes do so
    /// at once, one creates the map and the others open it.
    pub fn open_or_create(&self) -> Result<LpmMap<K, V>, Error> {
        let Some(path) = &self.pin else {
            return self.create();
        };
        loop {
            match sys::obj_get(path, 0) {
                Ok(fd) => return self.checked(LpmMap::from_fd(fd)?, path),
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
                Err(error) => {
                    let what = format!("open the map pinned at {}", path.display());
                    return Err(Error::call(what)(error));
                }
            }
            match self.create() {
                // Another process was faster: open its map.
                Err(error) if error.errno() == Some(libc::EEXIST) => {}
                created => return created,
            }
        }
    }

    fn checked(&self, map: LpmMap<K, V>, path: &Path) -> Result<LpmMap<K, V>, Error> {
        let info = map.info()?;
        let value_size = self.value_size.unwrap_or(info.value_size);
        let data_size = self.data_size.unwrap_or(info.data_size);
        let flags = self.flags | kernel::NO_PREALLOC;
        for (what, found, expected) in [
            ("the type", info.map_type.number(), self.number()?.number()),
            ("max_entries", info.max_entries, self.max_entries),
            ("the flags", info.flags | kernel::NO_PREALLOC, flags),
            ("a key size of", info.data_size as u32, data_size as u32),
            ("a value size of", info.value_size as u32, value_size as u32),
        ] {
            if found != expected {
                return Err(Error::PinDiffers {
                    path: path.to_owned(),
                    what,
                    found: found.into(),
                    expected: expected.into(),
                });
            }
        }
        Ok(map)
    }

    fn number(&self) -> Result<MapType, Error> {
        match self.map_type {
            Some(map_type) => Ok(map_type),
            None => Ok(MapType::lpm_mtrie()?),
        }
    }
}
