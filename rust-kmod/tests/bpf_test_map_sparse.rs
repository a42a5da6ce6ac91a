// SPDX-License-Identifier: GPL-2.0

//! A sparse array as a BPF map type.

use kernel::{
    bpf::{
        map::*,
        mem::{Allocator, Area},
        writers::Writers,
    },
    prelude::*,
};

module! {
    type: Module,
    name: "bpf_test_map_sparse",
    authors: ["You"],
    description: "Sparse array, a BPF map type",
    license: "GPL",
    alias: ["bpf-map-type-test"],
}

struct Module {
    _registration: Registration<Sparse>,
}

impl kernel::Module for Module {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self {
            _registration: Registration::new(Type::TEST)?,
        })
    }
}

#[pin_data]
struct Sparse {
    slots: Area<Slot<()>>,
    #[pin]
    writers: Writers,
}

impl Sparse {
    fn slot(&self, key: Key<'_>) -> Option<&Slot<()>> {
        let number = u32::from_ne_bytes(key.array(0).ok()?);
        self.slots.get(number as usize)
    }
}

#[vtable]
impl Operations for Sparse {
    fn alloc_check(attr: &CreateAttr) -> Result {
        if attr.key_size() == 4 && attr.max_entries() > 0 && attr.map_flags() == 0 {
            Ok(())
        } else {
            Err(EINVAL)
        }
    }

    fn new(map: &NewMap) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            slots: Area::new(map, map.max_entries() as usize)?,
            writers <- Writers::new(map),
        })
    }

    fn lookup<'a>(
        &'a self,
        _map: &'a RawMap,
        key: Key<'_>,
        reader: &'a Reader,
    ) -> Option<Value<'a>> {
        Some(self.slot(key)?.load(reader)?.value(reader))
    }

    fn update(
        &self,
        _map: &RawMap,
        key: Key<'_>,
        value: Source<'_>,
        mode: UpdateMode,
        alloc: &mut Allocator<'_>,
    ) -> Result {
        let slot = self.slot(key).ok_or(E2BIG)?;
        let mut new = Some(Elem::new(&self.writers, (), value, alloc)?);
        self.writers.write(alloc, |writer| {
            mode.check(slot.is_occupied())?;
            slot.replace(writer, new.take());
            Ok(())
        })
    }

    fn delete(&self, _map: &RawMap, key: Key<'_>, alloc: &mut Allocator<'_>) -> Result {
        let slot = self.slot(key).ok_or(ENOENT)?;
        self.writers.write(alloc, |writer| {
            if slot.replace(writer, None) {
                Ok(())
            } else {
                Err(ENOENT)
            }
        })
    }

    fn next_key(
        &self,
        _map: &RawMap,
        key: Option<Key<'_>>,
        next: &mut NewKey<'_>,
        _reader: &Reader,
    ) -> Result {
        let after = match key {
            Some(key) => u32::from_ne_bytes(key.array(0)?) as usize + 1,
            None => 0,
        };
        let mut rest = self.slots.iter().enumerate().skip(after);
        let (number, _) = rest.find(|(_, slot)| slot.is_occupied()).ok_or(ENOENT)?;
        next.write(0, &(number as u32).to_ne_bytes());
        Ok(())
    }

    fn mem_usage(&self, _map: &RawMap) -> usize {
        size_of_val(&*self.slots) + self.writers.live_bytes() + self.writers.bytes()
    }
}
