// SPDX-License-Identifier: MIT OR Apache-2.0
//! An IP prefix of either family: a left-aligned 128-bit address and a length.
//!
//! `10.0.0.0/8` is stored as `0x0a00_0000_0000…` and 8, so that IPv4 and IPv6 share the code for
//! sorting, masking and matching; only [`Family`] knows how many bytes a key has.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use lpm_mtrie::PrefixKey;

/// The two address families; each has its own map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    V4,
    V6,
}

impl Family {
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];

    pub fn of(addr: IpAddr) -> Self {
        match addr {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// Bits of an address, which is also the maximum prefix length.
    pub fn bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }

    /// The inverse of [`left_aligned`].
    pub fn address(self, bits: u128) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::from_bits((bits >> 96) as u32).into(),
            Self::V6 => Ipv6Addr::from_bits(bits).into(),
        }
    }

    /// A map key, `struct bpf_lpm_trie_key_u8`: the length in native byte order, then the address in
    /// network byte order. IPv4 keys are 8 bytes, IPv6 keys are 20.
    pub fn key(self, bits: u128, len: u8) -> Key {
        let mut key = Key {
            bytes: [0; 20],
            len: 4 + usize::from(self.bits() / 8),
        };
        key.bytes[..4].copy_from_slice(&u32::from(len).to_ne_bytes());
        key.bytes[4..].copy_from_slice(&bits.to_be_bytes());
        key
    }
}

/// The bytes of a map key.
pub struct Key {
    bytes: [u8; 20],
    len: usize,
}

impl Key {
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// For the library's maps, whose key size then tells the family.
impl PrefixKey for Key {
    const DATA_SIZE: Option<usize> = None;

    fn prefix_len(&self) -> u32 {
        u32::from_ne_bytes([self.bytes[0], self.bytes[1], self.bytes[2], self.bytes[3]])
    }

    fn data(&self) -> impl AsRef<[u8]> {
        &self.bytes[4..self.len]
    }

    fn from_parts(data: &[u8], len: u32) -> Option<Self> {
        let mut key = Self {
            bytes: [0; 20],
            len: 4 + data.len(),
        };
        key.bytes[..4].copy_from_slice(&len.to_ne_bytes());
        key.bytes.get_mut(4..key.len)?.copy_from_slice(data);
        Some(key)
    }
}

/// An address of either family with its first bit at bit 127.
pub fn left_aligned(addr: IpAddr) -> u128 {
    match addr {
        IpAddr::V4(addr) => u128::from(addr.to_bits()) << 96,
        IpAddr::V6(addr) => addr.to_bits(),
    }
}

/// A prefix as written in the list; bits beyond `len` may be set, which the kernel accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    pub bits: u128,
    pub len: u8,
}

impl Prefix {
    fn mask(self) -> u128 {
        match self.len {
            0 => 0,
            len => u128::MAX << (128 - len),
        }
    }

    /// The first address that the prefix covers.
    pub fn start(self) -> u128 {
        self.bits & self.mask()
    }

    /// The last address that the prefix covers, in 128 bits.
    pub fn end(self) -> u128 {
        self.bits | !self.mask()
    }

    pub fn contains(self, addr: u128) -> bool {
        addr & self.mask() == self.start()
    }

    /// Formats the prefix as `1.1.1.0/24`, without bits beyond `len`.
    pub fn display(self, family: Family) -> impl fmt::Display {
        format!("{}/{}", family.address(self.start()), self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_network_order_and_of_the_familys_size() {
        let v4 = left_aligned("10.1.2.3".parse().unwrap());
        let key = Family::V4.key(v4, 24);
        assert_eq!(&key.as_bytes()[4..], [10, 1, 2, 3], "IPv4 data is 4 bytes");
        assert_eq!(key.as_bytes()[..4], 24_u32.to_ne_bytes());
        let v6 = left_aligned("2001:db8::1".parse().unwrap());
        let key = Family::V6.key(v6, 128);
        assert_eq!(key.as_bytes().len(), 20, "IPv6 keys are 4 + 16 bytes");
        assert_eq!(key.as_bytes()[4..8], [0x20, 1, 0x0d, 0xb8]);
        let again = Key::from_parts(key.data().as_ref(), key.prefix_len());
        assert_eq!(again.unwrap().as_bytes(), key.as_bytes());
    }

    #[test]
    fn a_prefix_covers_from_start_to_end() {
        let host_bits_set = Prefix {
            bits: left_aligned("10.1.2.3".parse().unwrap()),
            len: 8,
        };
        assert_eq!(host_bits_set.display(Family::V4).to_string(), "10.0.0.0/8");
        assert!(host_bits_set.contains(left_aligned("10.255.255.255".parse().unwrap())));
        assert!(!host_bits_set.contains(left_aligned("11.0.0.0".parse().unwrap())));
        let everything = Prefix { bits: 1, len: 0 };
        assert_eq!((everything.start(), everything.end()), (0, u128::MAX));
    }
}
