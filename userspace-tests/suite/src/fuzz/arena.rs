// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory that the kernel reads and writes in the fuzzer's calls, separate from the program's own,
//! and bad addresses.
//!
//! ```text
//! | key pages | none | value pages | none | cursor pages | none | next pages | none |
//! ```

use std::{io, ptr::NonNull};

use anyhow::{Context, Result};

use crate::random::Random;

const PAGE: usize = 4096;
/// Pages of a part, before the inaccessible one.
const PAGES: usize = 4;
const PART: usize = (PAGES + 1) * PAGE;

/// What the memory is for.
#[derive(Clone, Copy)]
pub enum Part {
    Key,
    Value,
    Cursor,
    Next,
}
const PARTS: usize = 4;

/// An address, and how many bytes can be read and written there.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub address: u64,
    pub room: usize,
}

pub struct Arena(NonNull<u8>);

impl Arena {
    pub fn new() -> Result<Self> {
        let (read_write, flags) = (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
        );
        // SAFETY: a new mapping at an address that the kernel chooses.
        let start =
            unsafe { libc::mmap(std::ptr::null_mut(), PARTS * PART, read_write, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error()).context("mmap of the arena");
        }
        for part in 0..PARTS {
            // SAFETY: the last page of the part is within the mapping, and nobody uses it yet.
            let ret = unsafe {
                let hole = start.cast::<u8>().add(part * PART + PAGES * PAGE);
                libc::mprotect(hole.cast(), PAGE, libc::PROT_NONE)
            };
            if ret != 0 {
                return Err(io::Error::last_os_error()).context("mprotect in the arena");
            }
        }
        Ok(Self(NonNull::new(start.cast()).context("mmap gave null")?))
    }

    /// A place with room for `bytes`, filled with them.
    pub fn put(&mut self, part: Part, bytes: &[u8], random: &mut Random) -> Place {
        let offset = random.below(PAGES * PAGE - bytes.len() + 1);
        let start = part as usize * PART;
        // SAFETY: offset and length stay within the part's pages; the kernel touches them only
        // during calls, and nobody else does.
        unsafe {
            let to = self.0.as_ptr().add(start + offset);
            to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
        self.at(start, offset)
    }

    /// A place that is too small for `len` bytes, or no place at all.
    pub fn bad(&self, part: Part, len: usize, random: &mut Random) -> Place {
        let nowhere = [
            0,
            1,
            PAGE as u64 - 1,
            0x7fff_ffff_f000,
            0x8000_0000_0000,
            0xffff_8880_0000_0000,
            0xffff_ffff_8100_0000,
            u64::MAX,
        ];
        let start = part as usize * PART;
        match random.below(nowhere.len() + 4) {
            n if n < nowhere.len() => Place {
                address: nowhere[n],
                room: 0,
            },
            // Up to the inaccessible page.
            _ => self.at(start, PAGES * PAGE - random.below(len.max(1))),
        }
    }

    fn at(&self, start: usize, offset: usize) -> Place {
        Place {
            // A kernel address.
            address: self.0.as_ptr() as u64 + (start + offset) as u64,
            room: PAGES * PAGE - offset,
        }
    }

    /// The bytes at a place, at most `len` and at most its room.
    pub fn get(&self, place: Place, len: usize) -> Vec<u8> {
        let len = len.min(place.room);
        let offset = place.address.wrapping_sub(self.0.as_ptr() as u64) as usize;
        if place.room == 0 {
            return vec![];
        }
        // SAFETY: a place with room is within the arena, and so are the bytes up to its room.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().add(offset), len) }.to_vec()
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and no slice of it is left.
        unsafe { libc::munmap(self.0.as_ptr().cast(), PARTS * PART) };
    }
}
