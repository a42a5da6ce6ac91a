// SPDX-License-Identifier: MIT OR Apache-2.0
//! Create and open maps as aya's own types.
//!
//! aya 0.14 has no variant for a map type that it does not know, but its `Map::LpmTrie` checks only
//! the key and value sizes, and LPM_MTRIE has LPM_TRIE's keys: the typed wrapper serves both.

use std::path::Path;

use aya::{
    Pod,
    maps::{LpmTrie, Map, MapData, MapError},
};

use crate::MapType;

/// Creates a map. `key_size` counts the 4 bytes of prefixlen and the data.
pub fn create(
    map_type: MapType,
    name: &str,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    flags: u32,
) -> Result<MapData, MapError> {
    let definition =
        aya_obj::Map::new_from_params(map_type.number(), key_size, value_size, max_entries, flags);
    MapData::create(definition, name, None)
}

/// Opens a map that is pinned in a BPF file system.
pub fn from_pin(path: impl AsRef<Path>) -> Result<MapData, MapError> {
    MapData::from_pin(path)
}

/// Opens a map by the id that the kernel gave it.
pub fn from_id(id: u32) -> Result<MapData, MapError> {
    MapData::from_id(id)
}

/// The typed view: keys of `prefixlen` and `K`, values `V`. Fails if the sizes are not the map's.
pub fn typed<K: Pod, V: Pod>(map: MapData) -> Result<LpmTrie<MapData, K, V>, MapError> {
    LpmTrie::try_from(Map::LpmTrie(map))
}
