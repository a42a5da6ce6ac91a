// SPDX-License-Identifier: MIT OR Apache-2.0
//! Random bpf(2) calls on maps: mostly valid, so that the model predicts their results, and some
//! with a wrong descriptor, address, size, flag or tail.

use std::os::fd::AsRawFd;

use anyhow::{Context, Result, bail, ensure};
use aya_obj::generated::bpf_cmd::{self, *};
use libc::{EFAULT, EINVAL, ENOENT, EPERM};

use super::{
    arena::{Arena, Part, Place},
    tally::Tally,
    target::Target,
};
use crate::{
    model::{ANY, Model},
    random::Random,
    raw_call::RawCall,
};

/// Makes calls on maps and repeats them in their models.
pub struct Calls {
    arena: Arena,
    pub tally: Tally,
}

const NOWHERE: Place = Place {
    address: 0,
    room: 0,
};

/// A call, whether its descriptor and size are valid, and its result.
struct Made {
    call: RawCall,
    sound: bool,
    result: Result<(), i32>,
}

impl Calls {
    pub fn new() -> Result<Self> {
        Ok(Self {
            arena: Arena::new()?,
            tally: Tally::default(),
        })
    }

    /// Clears the memory, so that a round depends only on its seed.
    pub fn next_round(&mut self) -> Result<()> {
        self.arena = Arena::new()?;
        Ok(())
    }

    /// A call on elements, one or many.
    pub fn throw(&mut self, random: &mut Random, target: &mut Target) -> Result<()> {
        match random.below(20) {
            0..6 => self.update(random, target),
            6..9 => self.delete(random, target),
            9..12 => self.lookup(random, target),
            12..15 => self.next_key(random, target),
            15 => self.take(random, target),
            16 => self.update_batch(random, target),
            17 => self.delete_batch(random, target),
            18 => self.read_batch(random, target, true),
            _ => self.read_batch(random, target, false),
        }
    }

    fn place(&mut self, part: Part, bytes: &[u8], random: &mut Random) -> Place {
        match random.below(20) {
            0 => self.arena.bad(part, bytes.len(), random),
            _ => self.arena.put(part, bytes, random),
        }
    }

    /// Makes a call that uses `end` bytes of attributes.
    fn make(
        &mut self,
        random: &mut Random,
        what: &'static str,
        mut call: RawCall,
        fd: (usize, &Target),
        end: usize,
    ) -> Made {
        let mut sound = true;
        let mut number = fd.1.map.fd().as_raw_fd() as u32;
        match random.below(40) {
            0 => {
                sound = false;
                number = [0, 9999, u32::MAX, random.next() as u32][random.below(4)];
            }
            1 => {
                // Too short for a descriptor or the first address, or too long for any kernel.
                sound = false;
                let sizes = [0, 1, random.below(12), 4097, u32::MAX as usize];
                call.size = sizes[random.below(sizes.len())];
            }
            2 => {
                sound = false;
                call.size = call.attr.len();
                let at = end + random.below(call.attr.len() - end);
                call.attr[at] = 1 + random.below(255) as u8;
            }
            // The kernel accepts unknown bytes if they are zero.
            3 => call.size = call.attr.len(),
            _ => {}
        }
        let mut call = call.put32(fd.0, number);
        // SAFETY: addresses are in the arena, or never mapped.
        let result = unsafe { call.make() }.map(drop);
        self.tally.count(what, result.err().unwrap_or(0));
        Made {
            call,
            sound,
            result,
        }
    }

    fn element(
        &mut self,
        random: &mut Random,
        (what, cmd): (&'static str, bpf_cmd),
        target: &Target,
        places: [Place; 2],
        flags: u64,
    ) -> Made {
        let call = RawCall::new(cmd as u32)
            .put64(8, places[0].address)
            .put64(16, places[1].address)
            .put64(24, flags);
        self.make(random, what, call, (0, target), 32)
    }

    fn update(&mut self, random: &mut Random, target: &mut Target) -> Result<()> {
        let key = target.keys.draw(random);
        let value = random.bytes(target.shape.value as usize);
        let places = [
            self.place(Part::Key, &key, random),
            self.place(Part::Value, &value, random),
        ];
        let flags = match random.below(30) {
            0 => 1 << random.below(64),
            n => [0, 0, 0, 1, 2, 3][n % 6],
        };
        let made = self.element(
            random,
            ("update", BPF_MAP_UPDATE_ELEM),
            target,
            places,
            flags,
        );
        let there = places[0].room >= key.len() && places[1].room >= value.len();
        made.expect(there, || match target.frozen {
            true => Err(EPERM),
            false => target.model.update(&key, &value, flags),
        })
        .with_context(|| format!("update of {key:?} to {value:?}, flags {flags:#x}"))
    }

    fn delete(&mut self, random: &mut Random, target: &mut Target) -> Result<()> {
        let key = target.keys.draw(random);
        let place = self.place(Part::Key, &key, random);
        let places = [place, NOWHERE];
        let made = self.element(random, ("delete", BPF_MAP_DELETE_ELEM), target, places, 0);
        made.expect(place.room >= key.len(), || match target.frozen {
            true => Err(EPERM),
            false => target.model.delete(&key),
        })
        .with_context(|| format!("delete of {key:?}"))
    }

    fn lookup(&mut self, random: &mut Random, target: &mut Target) -> Result<()> {
        let key = target.keys.draw(random);
        let room = vec![0; target.shape.value as usize];
        let places = [
            self.place(Part::Key, &key, random),
            self.place(Part::Value, &room, random),
        ];
        let flags = match random.below(30) {
            0 => 1 << random.below(64),
            _ => 0,
        };
        let made = self.element(
            random,
            ("lookup", BPF_MAP_LOOKUP_ELEM),
            target,
            places,
            flags,
        );
        let there = places[0].room >= key.len() && places[1].room >= room.len();
        let want = match flags {
            0 => target.model.lookup(&key),
            _ => Err(EINVAL),
        };
        let found = made.result.is_ok();
        // A value that is not found is not written anywhere.
        made.expect(
            there || want.is_err() && places[0].room >= key.len(),
            || want.clone().map(drop),
        )
        .with_context(|| format!("lookup of {key:?}, flags {flags:#x}"))?;
        let got = found.then(|| self.arena.get(places[1], room.len()));
        ensure!(
            got.is_none() || got == want.ok(),
            "lookup of {key:?} gave {got:?}"
        );
        Ok(())
    }

    fn next_key(&mut self, random: &mut Random, target: &mut Target) -> Result<()> {
        let key = target.keys.draw(random);
        let room = vec![0; key.len()];
        let places = [
            self.place(Part::Key, &key, random),
            self.place(Part::Next, &room, random),
        ];
        let made = self.element(
            random,
            ("get_next_key", BPF_MAP_GET_NEXT_KEY),
            target,
            places,
            0,
        );
        let from = (places[0].address != 0).then_some(key.as_slice());
        let want = target.model.next_key(from);
        let readable = from.is_none() || places[0].room >= key.len();
        let there = readable && (places[1].room >= room.len() || want.is_err());
        let found = made.result.is_ok();
        made.expect(there, || want.clone().map(drop))
            .with_context(|| format!("get_next_key of {from:?}"))?;
        let got = found.then(|| self.arena.get(places[1], room.len()));
        ensure!(
            got.is_none() || got == want.ok(),
            "get_next_key of {from:?} gave {got:?}"
        );
        Ok(())
    }

    fn take(&mut self, random: &mut Random, target: &mut Target) -> Result<()> {
        let key = target.keys.draw(random);
        let room = vec![0; target.shape.value as usize];
        let places = [
            self.place(Part::Key, &key, random),
            self.place(Part::Value, &room, random),
        ];
        let what = ("lookup_and_delete", BPF_MAP_LOOKUP_AND_DELETE_ELEM);
        let made = self.element(random, what, target, places, 0);
        let want = if !made.sound {
            Ok(room.clone())
        } else if target.frozen {
            Err(EPERM)
        } else if places[0].room < key.len() {
            Err(EFAULT)
        } else {
            // A value that cannot be copied is lost.
            let taken = target.model.take(&key);
            taken.and_then(|value| {
                (places[1].room >= room.len())
                    .then_some(value)
                    .ok_or(EFAULT)
            })
        };
        let found = made.result.is_ok();
        made.expect(true, || want.clone().map(drop))
            .with_context(|| format!("lookup_and_delete of {key:?}"))?;
        let got = found.then(|| self.arena.get(places[1], room.len()));
        ensure!(
            got.is_none() || got == want.ok(),
            "lookup_and_delete of {key:?} gave {got:?}"
        );
        Ok(())
    }
}

impl Made {
    /// A valid call must give the model's result, an invalid one an error.
    fn expect(self, there: bool, model: impl FnOnce() -> Result<(), i32>) -> Result<()> {
        if self.sound && there {
            let want = model();
            ensure!(
                self.result == want,
                "got {:?}, expected {want:?}",
                self.result
            );
        } else if self.result.is_ok() {
            bail!("a call with a wrong descriptor, address, size or tail succeeded");
        }
        Ok(())
    }
}

/// The batch commands.
impl Calls {
    fn count(&self, random: &mut Random) -> usize {
        match random.below(20) {
            0 => [1000, u32::MAX as usize][random.below(2)],
            _ => random.below(10),
        }
    }

    fn batch(
        &mut self,
        random: &mut Random,
        (what, cmd): (&'static str, bpf_cmd),
        target: &Target,
        places: [Place; 4],
        count: usize,
        elem_flags: u64,
    ) -> Made {
        let mut call = RawCall::new(cmd as u32)
            .put32(32, count as u32)
            .put64(40, elem_flags);
        for (index, place) in places.iter().enumerate() {
            call = call.put64(8 * index, place.address);
        }
        self.make(random, what, call, (36, target), 56)
    }

    fn elem_flags(&self, random: &mut Random) -> u64 {
        match random.below(30) {
            0 => 1 << random.below(64),
            _ => 0,
        }
    }

    /// Element number `index` of an array at `place`, if it lies entirely within.
    fn nth(&self, place: Place, index: usize, size: usize) -> Option<Vec<u8>> {
        let all = self.arena.get(place, (index + 1) * size);
        all.get(index * size..(index + 1) * size)
            .map(<[u8]>::to_vec)
    }

    fn update_batch(&mut self, random: &mut Random, target: &mut Target) -> Result<()> {
        let (key_size, value_size) = (target.map.key_size(), target.map.value_size());
        let count = self.count(random);
        let keys: Vec<u8> = (0..count.min(10))
            .flat_map(|_| target.keys.draw(random))
            .collect();
        let values = random.bytes(value_size * count.min(10));
        let places = [
            NOWHERE,
            NOWHERE,
            self.place(Part::Key, &keys, random),
            self.place(Part::Value, &values, random),
        ];
        let flags = self.elem_flags(random);
        let what = ("update_batch", BPF_MAP_UPDATE_BATCH);
        let made = self.batch(random, what, target, places, count, flags);
        let mut one = |model: &mut Model, index| {
            let key = self.nth(places[2], index, key_size).ok_or(EFAULT)?;
            let value = self.nth(places[3], index, value_size).ok_or(EFAULT)?;
            model.update(&key, &value, ANY)
        };
        made.expect_batch(target, count, flags, &mut one)
            .with_context(|| format!("update_batch of {count}"))
    }

    fn delete_batch(&mut self, random: &mut Random, target: &mut Target) -> Result<()> {
        let key_size = target.map.key_size();
        let count = self.count(random);
        let keys: Vec<u8> = (0..count.min(10))
            .flat_map(|_| target.keys.draw(random))
            .collect();
        let places = [
            NOWHERE,
            NOWHERE,
            self.place(Part::Key, &keys, random),
            NOWHERE,
        ];
        let flags = self.elem_flags(random);
        let what = ("delete_batch", BPF_MAP_DELETE_BATCH);
        let made = self.batch(random, what, target, places, count, flags);
        let mut one = |model: &mut Model, index| {
            model.delete(&self.nth(places[2], index, key_size).ok_or(EFAULT)?)
        };
        made.expect_batch(target, count, flags, &mut one)
            .with_context(|| format!("delete_batch of {count}"))
    }

    /// BPF_MAP_LOOKUP_BATCH, or BPF_MAP_LOOKUP_AND_DELETE_BATCH.
    fn read_batch(&mut self, random: &mut Random, target: &mut Target, take: bool) -> Result<()> {
        let (key_size, value_size) = (target.map.key_size(), target.map.value_size());
        let count = match take {
            // The number that is taken before the first one is copied.
            true => random.below(10),
            false => self.count(random),
        };
        let cursor = target.keys.draw(random);
        let room = |size| vec![0; size * count.min(10)];
        let places = [
            match random.below(2) {
                0 => NOWHERE,
                _ => self.place(Part::Cursor, &cursor, random),
            },
            self.place(Part::Next, &cursor, random),
            self.place(Part::Key, &room(key_size), random),
            self.place(Part::Value, &room(value_size), random),
        ];
        let flags = self.elem_flags(random);
        let what = match take {
            true => ("lookup_and_delete_batch", BPF_MAP_LOOKUP_AND_DELETE_BATCH),
            false => ("lookup_batch", BPF_MAP_LOOKUP_BATCH),
        };
        let made = self.batch(random, what, target, places, count, flags);

        let mut position = (places[0].address != 0).then_some(cursor);
        let readable = position.is_none() || places[0].room >= key_size;
        let mut want = match flags {
            _ if take && target.frozen => Err(EPERM),
            0 if count > 0 && !readable => Err(EFAULT),
            0 => Ok(()),
            _ => Err(EINVAL),
        };
        let mut found: Vec<(Vec<u8>, Vec<u8>)> = vec![];
        while want.is_ok() && found.len() < count {
            match target.model.after(position.as_deref()) {
                Err(errno) => want = Err(errno),
                Ok((key, value)) => {
                    position = Some(key.clone());
                    found.push((key, value));
                }
            }
        }
        if take && made.sound {
            // Those that cannot be copied are lost.
            for (key, _) in &found {
                target.model.delete(key).expect("the model has it");
            }
        }
        if let Some(last) = found.len().checked_sub(1) {
            let fits = self.nth(places[2], last, key_size).is_some()
                && self.nth(places[3], last, value_size).is_some()
                && places[1].room >= key_size;
            if !fits {
                want = Err(EFAULT);
            }
        }
        let (sound, result) = (made.sound, made.result);
        let done = made.call.get32(32) as usize;
        made.expect(true, || want)
            .with_context(|| format!("{} of {count}", what.0))?;
        if sound && count > 0 && matches!(result, Ok(()) | Err(ENOENT)) {
            let got: Vec<_> = (0..done)
                .map_while(|index| {
                    let key = self.nth(places[2], index, key_size)?;
                    Some((key, self.nth(places[3], index, value_size)?))
                })
                .collect();
            ensure!(got == found, "{} of {count} gave other elements", what.0);
        }
        Ok(())
    }
}

impl Made {
    /// A batch processes its elements one by one, up to the first error, and counts them.
    fn expect_batch(
        self,
        target: &mut Target,
        count: usize,
        flags: u64,
        one: &mut dyn FnMut(&mut Model, usize) -> Result<(), i32>,
    ) -> Result<()> {
        if !self.sound {
            return self.expect(false, || Ok(()));
        }
        let before = match (target.frozen, flags) {
            (true, _) => Err(EPERM),
            (false, 0) => Ok(()),
            _ => Err(EINVAL),
        };
        let mut done = 0;
        let mut want = before;
        while want.is_ok() && done < count {
            want = one(&mut target.model, done);
            done += usize::from(want.is_ok());
        }
        let counted = self.call.get32(32) as usize;
        ensure!(
            before.is_err() || counted == done,
            "{counted} were done, expected {done}"
        );
        self.expect(true, || want)
    }
}
