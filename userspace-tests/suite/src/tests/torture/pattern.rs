// SPDX-License-Identifier: MIT OR Apache-2.0
//! Keys and values of the torture test, as bpf/torture.bpf.c makes and checks them: a value
//! identifies the prefix that it was stored for.

use anyhow::{Result, ensure};

use crate::{prefix::Prefix, random::Random};

/// Bytes of a key's data.
pub const DATA: u32 = 8;
/// Words in a value of `blocks`.
pub const BLOCK: u32 = 8;

const ADDRESSES: usize = 512;
const BITS: usize = 64;

/// A prefix: which address, and its length.
#[derive(Clone, Copy)]
pub struct Name {
    number: u64,
    len: u32,
}

impl Name {
    pub fn draw(random: &mut Random) -> Self {
        Self {
            number: random.below(ADDRESSES) as u64,
            len: random.below(BITS + 1) as u32,
        }
    }

    fn prefix(self) -> Prefix {
        Prefix::new(self.len, &address(self.number).to_be_bytes())
    }

    pub fn key(self) -> Vec<u8> {
        self.prefix().key()
    }

    /// A value of this many bytes for it; two are the same only by chance.
    pub fn value(self, size: usize, random: &mut Random) -> Vec<u8> {
        let serial = u64::from(random.next() as u32);
        let word = with_checksum(serial << 16 | u64::from(self.len) << 9 | self.number);
        word.to_ne_bytes().repeat(size / 8)
    }
}

/// Checks that the value is whole, and was stored for a prefix that covers the key.
pub fn fits(value: &[u8], key: &[u8]) -> Result<()> {
    ensure!(
        stored_for(value)?.covers(&Prefix::from_key(key)),
        "{value:x?} was not stored for a prefix that covers the key {key:x?}"
    );
    Ok(())
}

/// Checks that the value is whole, and was stored for this very key.
pub fn is_of(value: &[u8], key: &[u8]) -> Result<()> {
    ensure!(
        stored_for(value)? == Prefix::from_key(key),
        "{value:x?} was not stored for the key {key:x?}"
    );
    Ok(())
}

fn stored_for(value: &[u8]) -> Result<Prefix> {
    let (first, _) = value.split_at(8);
    let word = u64::from_ne_bytes(first.try_into()?);
    let whole = value.chunks(8).all(|part| part == first);
    ensure!(
        whole && word == with_checksum(word),
        "{value:x?} is torn, or no value at all"
    );
    let name = Name {
        number: word & (ADDRESSES as u64 - 1),
        len: (word >> 9 & 127) as u32,
    };
    Ok(name.prefix())
}

/// Checks that the key is one that may have been inserted.
pub fn is_ours(key: &[u8]) -> Result<()> {
    let prefix = Prefix::from_key(key);
    let ours = (0..ADDRESSES as u64).any(|number| address(number).to_be_bytes()[..] == prefix.data);
    ensure!(
        ours && prefix.len as usize <= BITS,
        "nobody inserted the key {key:x?}"
    );
    Ok(())
}

/// 512 addresses that branch at several depths, with long paths between.
fn address(number: u64) -> u64 {
    10 << 56
        | (number & 3) << 48
        | (number >> 2 & 7) << 43
        | (number >> 5 & 3) << 32
        | (number >> 7 & 1) << 8
        | (number >> 8 & 1)
}

fn with_checksum(word: u64) -> u64 {
    let word = word & ((1 << 48) - 1);
    word | word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48 << 48
}
