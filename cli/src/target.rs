// SPDX-License-Identifier: MIT OR Apache-2.0
//! The map that a command line names, and how its keys and values are written.

use std::path::Path;

use libc::ENOENT;
use lpm_mtrie::{BytePrefix, Bytes, Error, LpmMap, MapInfo};

use crate::{
    args::Options,
    failure::{Failure, Result},
    form::Form,
    key::KeyKind,
};

/// A prefix and its value, as in the map.
pub type Entry = (BytePrefix, Bytes);

/// How keys and values are written.
#[derive(Clone, Debug)]
pub struct Style {
    pub key: KeyKind,
    pub value: Form,
    pub value_size: usize,
}

impl Style {
    pub fn parse_value(&self, text: &str) -> Result<Bytes> {
        self.value.parse(text, self.value_size)
    }
}

/// An open map.
pub struct Target {
    pub map: LpmMap<BytePrefix, Bytes>,
    pub info: MapInfo,
    pub style: Style,
}

/// How a map is named.
#[derive(Debug, PartialEq, Eq)]
pub enum Spec<'a> {
    Pin(&'a Path),
    Id(u32),
    Name(&'a str),
}

impl<'a> Spec<'a> {
    pub fn parse(text: &'a str) -> Result<Self> {
        if let Some(id) = text.strip_prefix("id:") {
            return id.parse().map(Self::Id).map_err(|_| {
                Failure::usage(format!("'{id}' is not a map id; `bpftool map` lists them"))
            });
        }
        if let Some(name) = text.strip_prefix("name:") {
            return Ok(Self::Name(name));
        }
        if text.contains('/') {
            return Ok(Self::Pin(Path::new(text)));
        }
        Err(Failure::usage(format!(
            "'{text}' does not name a map; expected a pin's path with a slash (/sys/fs/bpf/{text}), \
             id:N or name:{text}"
        )))
    }
}

impl Target {
    pub fn open(text: &str, options: &Options) -> Result<Self> {
        let map = match Spec::parse(text)? {
            Spec::Pin(path) => LpmMap::from_pin(path).map_err(not_pinned)?,
            Spec::Id(id) => LpmMap::from_id(id)?,
            Spec::Name(name) => LpmMap::from_name(name)?,
        };
        let info = map.info()?;
        let key = options.key.unwrap_or(KeyKind::guess(info.data_size));
        if key.data_size().is_some_and(|size| size != info.data_size) {
            return Err(Failure::usage(format!(
                "--key {} needs keys with {} bytes of data, the map's have {}; \
                 leave --key out, or use --key path",
                key.name(),
                key.data_size().unwrap_or_default(),
                info.data_size
            )));
        }
        let size = info.value_size;
        // Without the right to read BTF, the size must suffice.
        let layout = map.value_layout().ok().flatten();
        let style = Style {
            key,
            value: Form::of(options.value, layout, size)?,
            value_size: size,
        };
        Ok(Self { map, info, style })
    }

    /// The key that `text` is, which must fit into the map's keys.
    pub fn key(&self, text: &str) -> Result<BytePrefix> {
        self.style.key.parse(text)
    }
}

fn not_pinned(error: Error) -> Failure {
    match error.errno() {
        Some(ENOENT) => Failure::System(format!(
            "{error}; `lpm create` creates a map and pins it, `bpftool map` lists existing maps"
        )),
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_named_in_three_ways() {
        let pin = Path::new("/sys/fs/bpf/x");
        assert_eq!(Spec::parse("/sys/fs/bpf/x").unwrap(), Spec::Pin(pin));
        assert_eq!(Spec::parse("id:7").unwrap(), Spec::Id(7));
        assert_eq!(Spec::parse("name:routes").unwrap(), Spec::Name("routes"));
        for wrong in ["id:x", "id:-1", "routes"] {
            assert!(matches!(Spec::parse(wrong), Err(Failure::Usage(_))));
        }
    }
}
