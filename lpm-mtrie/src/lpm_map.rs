// SPDX-License-Identifier: MIT OR Apache-2.0
//! A map from prefixes to values: opening it, and operations on single entries.

use std::{
    fmt, io,
    marker::PhantomData,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
    sync::OnceLock,
};

use aya::maps::{MapData, MapError};

use crate::{
    Error, Features, Layout, MapType, PrefixKey, Value,
    builder::Builder,
    info::{self, MapInfo},
    kernel,
    matcher::Matcher,
    raw_key::RawKey,
    sys::{
        self,
        elements::Elements,
        map::{fd_by_id, info as raw_info},
    },
};

/// A map of type LPM_TRIE or LPM_MTRIE, whose keys are prefixes of type `K`
/// and whose values are of type `V`.
///
/// Several processes and BPF programs may change a map at the same time. Each method documents the
/// effect on it; a method without such a note acts on one entry, at one moment.
pub struct LpmMap<K, V> {
    pub(crate) elements: Elements<OwnedFd>,
    pub(crate) data_size: usize,
    kind: Kind,
    matcher: OnceLock<Option<Matcher>>,
    types: PhantomData<fn() -> (K, V)>,
}

/// Which of the two types a map is of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Trie,
    Mtrie,
}

/// What an update may do. LPM_TRIE before Linux 6.13 ignores the mode, and always behaves as with
/// [`Mode::Any`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Add the entry, or replace its value (BPF_ANY).
    #[default]
    Any,
    /// Only add: -EEXIST if the prefix is there (BPF_NOEXIST).
    Add,
    /// Only replace: -ENOENT if the prefix is not there (BPF_EXIST).
    Replace,
}

impl<K, V> fmt::Debug for LpmMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LpmMap")
            .field("elements", &self.elements)
            .finish_non_exhaustive()
    }
}

impl<K, V> AsFd for LpmMap<K, V> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.elements.fd()
    }
}

impl<K: PrefixKey, V: Value> LpmMap<K, V> {
    /// Describes a new map, or one to open if it exists; `name` is of ASCII letters,
    /// digits, `_` and `.`, and truncated to 15 bytes.
    ///
    /// ```no_run
    /// use ipnet::Ipv4Net;
    /// use lpm_mtrie::LpmMap;
    ///
    /// let routes = LpmMap::<Ipv4Net, u32>::builder("routes")
    ///     .max_entries(1_000_000)
    ///     .pin("/sys/fs/bpf/routes")
    ///     .open_or_create()?;
    /// routes.insert(&"10.0.0.0/8".parse()?, &64512)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder(name: &str) -> Builder<K, V> {
        Builder::new(name)
    }

    /// Describes a new map like this one: of its name, type, sizes, max_entries, flags and BTF.
    /// Requires CAP_SYS_ADMIN if there is BTF.
    pub fn builder_like(&self) -> Result<Builder<K, V>, Error> {
        Builder::like(self)
    }

    /// Opens a map that is pinned in a BPF file system.
    pub fn from_pin(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let what = || format!("open the map pinned at {}", path.display());
        let fd = sys::obj_get(path, 0).map_err(|error| Error::call(what())(error))?;
        Self::from_fd(fd)
    }

    /// Opens a map by the id that the kernel gave it.
    pub fn from_id(id: u32) -> Result<Self, Error> {
        let fd = fd_by_id(id).map_err(Error::call(format!("open the map with id {id}")))?;
        Self::from_fd(fd)
    }

    /// Opens the only LPM map that has a name.
    pub fn from_name(name: &str) -> Result<Self, Error> {
        let ids = info::ids_named(name)?;
        match ids[..] {
            [id] => Self::from_id(id),
            [] => Err(Error::NoSuchName {
                name: name.to_owned(),
            }),
            _ => Err(Error::AmbiguousName {
                name: name.to_owned(),
                ids,
            }),
        }
    }

    /// Uses an open map.
    pub fn from_fd(fd: OwnedFd) -> Result<Self, Error> {
        let what = "read the kernel's description of the map";
        let found = raw_info(fd.as_fd()).map_err(Error::call(what))?;
        let kind = kind(found.type_)?;
        let elements = Elements::new(fd).map_err(Error::call(what))?;
        let data_size = elements.key_size() - 4;
        check_size("key data", data_size, K::DATA_SIZE)?;
        check_size("value", elements.value_size(), V::SIZE)?;
        Ok(Self {
            elements,
            data_size,
            kind,
            matcher: OnceLock::new(),
            types: PhantomData,
        })
    }

    /// Uses a map that aya has opened or created; both stay open.
    pub fn from_aya(map: &MapData) -> Result<Self, Error> {
        let fd = map.fd().as_fd().try_clone_to_owned();
        Self::from_fd(fd.map_err(Error::call("duplicate the map's descriptor"))?)
    }

    /// The map for aya, for example to pass it to a loader as a replacement.
    pub fn to_aya(&self) -> Result<MapData, MapError> {
        let fd = self.as_fd().try_clone_to_owned();
        MapData::from_fd(fd.map_err(|io_error| {
            MapError::SyscallError(aya::sys::SyscallError {
                call: "dup",
                io_error,
            })
        })?)
    }

    /// The map's descriptor.
    pub fn into_fd(self) -> OwnedFd {
        self.elements.into_fd()
    }

    /// Pins the map: it lives until the path is removed, and can be opened by it.
    pub fn pin(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        pin(self.as_fd(), path.as_ref(), "map")
    }

    /// Makes the map read-only for userspace from now on; programs can still write.
    pub fn freeze(&self) -> Result<(), Error> {
        self.elements
            .freeze()
            .map_err(Error::call("freeze the map"))
    }

    /// The kernel's description of the map.
    pub fn info(&self) -> Result<MapInfo, Error> {
        info::of(self.as_fd())
    }

    /// What the running kernel supports for this map.
    pub fn features(&self) -> Features {
        Features {
            match_len: kernel::match_len().is_some(),
            positions: self.has_positions(),
        }
    }

    /// The layout of a value, if the map was created with BTF according to which it is an integer,
    /// or a structure of integers. Requires CAP_SYS_ADMIN if there is BTF.
    pub fn value_layout(&self) -> Result<Option<Layout>, Error> {
        info::value_layout(self.as_fd())
    }

    /// Adds the entry, or replaces its value.
    pub fn insert(&self, prefix: &K, value: &V) -> Result<(), Error> {
        self.update(prefix, value, Mode::Any)
    }

    /// Adds the entry or replaces its value, as `mode` says. A replacement is
    /// atomic: programs find the old value or the new one, whole.
    pub fn update(&self, prefix: &K, value: &V, mode: Mode) -> Result<(), Error> {
        let key = self.key(prefix)?;
        let value = self.value(value)?;
        let (flags, what) = match mode {
            Mode::Any => (0, "set the entry"),
            Mode::Add => (1, "add the prefix"),
            Mode::Replace => (2, "replace the value of the prefix"),
        };
        self.elements
            .update(key.bytes(), value, flags)
            .map_err(Error::call(what))
    }

    /// Removes exactly this prefix; `false` if it was not there.
    pub fn remove(&self, prefix: &K) -> Result<bool, Error> {
        let Ok(key) = self.key(prefix) else {
            return Ok(false);
        };
        match self.elements.delete(key.bytes()) {
            Ok(()) => Ok(true),
            Err(error) if is(&error, libc::ENOENT) => Ok(false),
            Err(error) => Err(Error::call("remove the entry")(error)),
        }
    }

    /// Removes exactly this prefix and returns the value that it had.
    ///
    /// LPM_MTRIE does so at one moment. LPM_TRIE, and LPM_MTRIE on kernels whose type has no
    /// BPF_MAP_LOOKUP_AND_DELETE_ELEM, are asked for the value ([`Self::get`]) and then told to
    /// remove it: the answer does not reflect a change in between.
    pub fn take(&self, prefix: &K) -> Result<Option<V>, Error> {
        let Ok(key) = self.key(prefix) else {
            return Ok(None);
        };
        match self.elements.lookup_and_delete(key.bytes(), 0) {
            Ok(value) => Ok(Some(V::from_bytes(&value))),
            Err(error) if is(&error, libc::ENOENT) => Ok(None),
            Err(error) if is(&error, ENOTSUPP) => {
                let value = self.get(prefix)?;
                Ok(if self.remove(prefix)? { value } else { None })
            }
            Err(error) => Err(Error::call("take the entry")(error)),
        }
    }

    /// The value of the longest prefix that covers `key`, which is a prefix itself, or a whole
    /// address. This is the fastest query.
    pub fn lookup(&self, key: impl Into<K>) -> Result<Option<V>, Error> {
        let found = self.lookup_raw(&self.wanted(&key.into()))?;
        Ok(found.map(|value| V::from_bytes(&value)))
    }

    pub(crate) fn lookup_raw(&self, key: &RawKey) -> Result<Option<Vec<u8>>, Error> {
        match self.elements.lookup(key.bytes(), 0) {
            Ok(value) => Ok(Some(value)),
            Err(error) if is(&error, libc::ENOENT) => Ok(None),
            Err(error) => Err(Error::call("look up a key")(error)),
        }
    }

    /// Whether batches on this map may start at any position.
    pub(crate) fn has_positions(&self) -> bool {
        self.kind == Kind::Mtrie && kernel::positions()
    }

    /// The program that finds lengths, if there can be one for this map.
    pub(crate) fn matcher(&self) -> Result<Option<&Matcher>, Error> {
        if let Some(matcher) = self.matcher.get() {
            return Ok(matcher.as_ref());
        }
        let (key_size, value_size) = (self.elements.key_size(), self.elements.value_size());
        let matcher = Matcher::load(self.as_fd(), key_size, value_size)?;
        Ok(self.matcher.get_or_init(|| matcher).as_ref())
    }

    /// A key to write: all its bits must fit.
    pub(crate) fn key(&self, prefix: &K) -> Result<RawKey, Error> {
        let len = prefix.prefix_len();
        RawKey::new(prefix.data().as_ref(), len, self.data_size).ok_or(Error::TooLong {
            len,
            bits: self.data_size * 8,
        })
    }

    /// A key to look up: bits beyond the map's keys are not significant.
    pub(crate) fn wanted(&self, key: &K) -> RawKey {
        let len = key.prefix_len().min(self.data_size as u32 * 8);
        RawKey::new(key.data().as_ref(), len, self.data_size).expect("the length was cut to fit")
    }

    pub(crate) fn value<'a>(&self, value: &'a V) -> Result<&'a [u8], Error> {
        let bytes = value.bytes();
        check_size("value", self.elements.value_size(), Some(bytes.len()))?;
        Ok(bytes)
    }

    pub(crate) fn prefix(&self, key: &RawKey) -> Result<K, Error> {
        K::from_parts(key.data(), key.len()).ok_or_else(|| Error::ForeignKey {
            len: key.len(),
            data: key.data().to_vec(),
        })
    }
}

/// Pins a map, called `what` in the message.
pub(crate) fn pin(fd: BorrowedFd<'_>, path: &Path, what: &str) -> Result<(), Error> {
    sys::obj_pin(fd, path).map_err(|error| {
        let elsewhere = if is(&error, libc::EPERM) {
            ", which must be in a BPF file system, and whose name must have no dots"
        } else {
            ""
        };
        Error::call(format!("pin the {what} to {}{elsewhere}", path.display()))(error)
    })
}

fn check_size(what: &'static str, found: usize, expected: Option<usize>) -> Result<(), Error> {
    match expected {
        Some(expected) if expected != found => Err(Error::Size {
            what,
            found,
            expected,
        }),
        _ => Ok(()),
    }
}

/// LPM_TRIE's number is uapi; LPM_MTRIE's comes from the running kernel.
fn kind(number: u32) -> Result<Kind, Error> {
    if number == MapType::LPM_TRIE.number() {
        return Ok(Kind::Trie);
    }
    match kernel::mtrie()? {
        Some(mtrie) if mtrie.number() == number => Ok(Kind::Mtrie),
        _ => Err(Error::WrongType {
            found: number,
            expected: "LPM_TRIE (11), or LPM_MTRIE as this kernel numbers it",
        }),
    }
}

/// ENOTSUPP of the kernel, which has no name in userspace.
pub(crate) const ENOTSUPP: i32 = 524;

pub(crate) fn is(error: &io::Error, errno: i32) -> bool {
    error.raw_os_error() == Some(errno)
}
