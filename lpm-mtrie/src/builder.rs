// SPDX-License-Identifier: MIT OR Apache-2.0
//! Creates a map, or opens the one that is pinned at the given path.

use std::{
    marker::PhantomData,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    Error, LpmMap, MapType, PrefixKey, Value, kernel,
    sys::{
        self,
        map::{MapAttr, create, info},
        prog::btf_fd_by_id,
    },
};

/// How often [`Builder::open_or_create`] tries again when the pin appears or goes meanwhile.
const TRIES: u32 = 100;

/// The BTF of a map, and the types of its keys and values in it.
#[derive(Clone, Debug)]
struct Described {
    btf: Arc<OwnedFd>,
    key: u32,
    value: u32,
}

/// The properties of a new map; made by [`LpmMap::builder`].
#[derive(Clone, Debug)]
pub struct Builder<K, V> {
    name: String,
    map_type: Option<MapType>,
    max_entries: u32,
    flags: u32,
    data_size: Option<usize>,
    value_size: Option<usize>,
    described: Option<Described>,
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
            described: None,
            pin: None,
            types: PhantomData,
        }
    }

    /// A map like `map`, see [`LpmMap::builder_like`].
    pub(crate) fn like(map: &LpmMap<K, V>) -> Result<Self, Error> {
        let described = map.info()?;
        let raw =
            info(map.as_fd()).map_err(Error::call("read the kernel's description of the map"))?;
        let mut like = Self::new(&described.name)
            .map_type(described.map_type)
            .max_entries(described.max_entries)
            .flags(described.flags)
            .data_size(described.data_size)
            .value_size(described.value_size);
        if raw.btf_id != 0 {
            let what = format!("read the map's BTF, id {}", raw.btf_id);
            like.described = Some(Described {
                btf: Arc::new(btf_fd_by_id(raw.btf_id).map_err(Error::call(what))?),
                key: raw.btf_key_type_id,
                value: raw.btf_value_type_id,
            });
        }
        Ok(like)
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
        let may_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
        if !self.name.bytes().all(may_name) {
            return Err(Error::Name {
                name: self.name.clone(),
            });
        }
        let not_given = |what, call| move || Error::SizeNotGiven { what, call };
        let data_size = self
            .data_size
            .ok_or_else(not_given("key data", "data_size"))?;
        let value_size = self
            .value_size
            .ok_or_else(not_given("value", "value_size"))?;
        let too_large = |what, bytes| move || Error::TooLarge { what, bytes };
        let key_size = u32::try_from(data_size)
            .ok()
            .and_then(|size| size.checked_add(4));
        let mut attr = MapAttr {
            map_type: self.number()?.number(),
            key_size: key_size.ok_or_else(too_large("key", data_size))?,
            value_size: u32::try_from(value_size)
                .ok()
                .ok_or_else(too_large("value", value_size))?,
            max_entries: self.max_entries,
            map_flags: self.flags | kernel::NO_PREALLOC,
            ..MapAttr::default()
        };
        if let Some(described) = &self.described {
            attr.btf_fd = sys::raw(described.btf.as_fd());
            attr.btf_key_type_id = described.key;
            attr.btf_value_type_id = described.value;
        }
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
        let mut tries = 0;
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
                // Another process was faster: open its map. What is there may not be a pin, though.
                Err(error) if error.errno() == Some(libc::EEXIST) && tries < TRIES => tries += 1,
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
            (
                "the type",
                info.map_type.number().into(),
                self.number()?.number().into(),
            ),
            (
                "max_entries",
                info.max_entries.into(),
                self.max_entries.into(),
            ),
            (
                "the flags",
                (info.flags | kernel::NO_PREALLOC).into(),
                flags.into(),
            ),
            ("a key size of", info.data_size as u64, data_size as u64),
            ("a value size of", info.value_size as u64, value_size as u64),
        ] {
            if found != expected {
                return Err(Error::PinDiffers {
                    path: path.to_owned(),
                    what,
                    found,
                    expected,
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
