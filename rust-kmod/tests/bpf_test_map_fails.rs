// SPDX-License-Identifier: GPL-2.0

//! A module that registers a map type and then fails to initialize, all in safe Rust: no map of its
//! type may ever be created. Its ops would serve one: a map without elements.

use kernel::{
    bpf::{
        map::*,
        mem::Allocator, //
    },
    prelude::*,
    time::{
        delay::fsleep,
        Delta, //
    },
};

module! {
    type: Fails,
    name: "bpf_test_map_fails",
    authors: ["The LPM_MTRIE authors"],
    description: "Registers a BPF map type and fails, for tests",
    license: "GPL",
}

struct Fails;

impl kernel::Module for Fails {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let _registration = Registration::<Empty>::new(Type::LPM_MTRIE)?;
        // Long enough for others to find the type.
        fsleep(Delta::from_millis(100));
        Err(ENODEV)
    }
}

struct Empty;

#[vtable]
impl Operations for Empty {
    fn alloc_check(_attr: &CreateAttr) -> Result {
        Ok(())
    }

    fn new(_map: &NewMap) -> impl PinInit<Self, Error> {
        Ok(Self)
    }

    fn lookup<'a>(
        &'a self,
        _map: &'a RawMap,
        _key: Key<'_>,
        _reader: &'a Reader,
    ) -> Option<Value<'a>> {
        None
    }

    fn update(
        &self,
        _map: &RawMap,
        _key: Key<'_>,
        _value: Source<'_>,
        _mode: UpdateMode,
        _alloc: &mut Allocator<'_>,
    ) -> Result {
        Err(ENOSPC)
    }

    fn delete(&self, _map: &RawMap, _key: Key<'_>, _alloc: &mut Allocator<'_>) -> Result {
        Err(ENOENT)
    }

    fn next_key(
        &self,
        _map: &RawMap,
        _key: Option<Key<'_>>,
        _next: &mut NewKey<'_>,
        _reader: &Reader,
    ) -> Result {
        Err(ENOENT)
    }

    fn mem_usage(&self, _map: &RawMap) -> usize {
        0
    }
}
