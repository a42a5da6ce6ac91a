// SPDX-License-Identifier: MIT OR Apache-2.0
//! Types of prefixes: IPv4 and IPv6 networks, MAC prefixes, byte strings.
//!
//! Bits beyond the length are not significant in an LPM map. Keys are written with these bits
//! cleared, and are returned that way.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use ipnet::{Ipv4Net, Ipv6Net};
use thiserror::Error;

/// A type whose values are prefixes: a number of significant leading bits, and the bytes that hold
/// them, most significant first.
///
/// ```
/// use lpm_mtrie::PrefixKey;
///
/// /// A protocol number, and a port of which only the leading bits count.
/// #[derive(Debug, PartialEq)]
/// struct PortRange { proto: u8, port: u16, port_bits: u8 }
///
/// impl PrefixKey for PortRange {
///     const DATA_SIZE: Option<usize> = Some(3);
///     fn prefix_len(&self) -> u32 { 8 + u32::from(self.port_bits) }
///     fn data(&self) -> impl AsRef<[u8]> {
///         let [high, low] = self.port.to_be_bytes();
///         [self.proto, high, low]
///     }
///     fn from_parts(data: &[u8], len: u32) -> Option<Self> {
///         let port = u16::from_be_bytes([data[1], data[2]]);
///         let port_bits = u8::try_from(len.checked_sub(8)?).ok()?;
///         Some(Self { proto: data[0], port, port_bits })
///     }
/// }
/// # assert_eq!(PortRange { proto: 6, port: 80, port_bits: 16 }.data().as_ref(), [6, 0, 80]);
/// ```
pub trait PrefixKey: Sized {
    /// How many bytes of data the map's key must have after the prefixlen; `None` if the type
    /// accepts any size.
    const DATA_SIZE: Option<usize>;

    /// How many leading bits are significant.
    fn prefix_len(&self) -> u32;

    /// The bytes that hold the bits; zeros follow if the map's keys have more.
    fn data(&self) -> impl AsRef<[u8]>;

    /// The prefix with the first `len` bits of `data`, which has all bytes of
    /// a key, and zeros beyond `len`; `None` if there is no such value of the type.
    fn from_parts(data: &[u8], len: u32) -> Option<Self>;
}

impl PrefixKey for Ipv4Net {
    const DATA_SIZE: Option<usize> = Some(4);

    fn prefix_len(&self) -> u32 {
        self.prefix_len().into()
    }

    fn data(&self) -> impl AsRef<[u8]> {
        self.addr().octets()
    }

    fn from_parts(data: &[u8], len: u32) -> Option<Self> {
        let octets: [u8; 4] = data.try_into().ok()?;
        Self::new(Ipv4Addr::from(octets), u8::try_from(len).ok()?).ok()
    }
}

impl PrefixKey for Ipv6Net {
    const DATA_SIZE: Option<usize> = Some(16);

    fn prefix_len(&self) -> u32 {
        self.prefix_len().into()
    }

    fn data(&self) -> impl AsRef<[u8]> {
        self.addr().octets()
    }

    fn from_parts(data: &[u8], len: u32) -> Option<Self> {
        let octets: [u8; 16] = data.try_into().ok()?;
        Self::new(Ipv6Addr::from(octets), u8::try_from(len).ok()?).ok()
    }
}

/// Why a text is not a key.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum KeyError {
    /// Not a MAC address or the start of one.
    #[error(
        "'{0}' is not a MAC prefix; expected up to six pairs of hexadecimal digits and a length, \
         such as 00:1b:21:00:00:00/24 or 00:1b:21"
    )]
    Mac(String),
    /// A length that exceeds the data.
    #[error("a prefix of {len} bits in {bits} bits of data; expected at most {bits}")]
    Length {
        /// The length given.
        len: u32,
        /// The bits of the data.
        bits: usize,
    },
}

/// The first bits of a MAC address: an organisation (24 bits), or a whole
/// address (48).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MacPrefix {
    address: [u8; 6],
    len: u8,
}

impl MacPrefix {
    /// The first `len` bits of `address`; the others are cleared.
    pub fn new(address: [u8; 6], len: u8) -> Result<Self, KeyError> {
        if len > 48 {
            let len = len.into();
            return Err(KeyError::Length { len, bits: 48 });
        }
        let word = address
            .iter()
            .fold(0u64, |word, byte| word << 8 | u64::from(*byte));
        let kept = word & (!0 << (48 - len));
        let mut address = [0; 6];
        address.copy_from_slice(&kept.to_be_bytes()[2..]);
        Ok(Self { address, len })
    }

    /// The address, with zeros beyond the length.
    pub fn address(&self) -> [u8; 6] {
        self.address
    }
}

impl From<[u8; 6]> for MacPrefix {
    /// A whole address.
    fn from(address: [u8; 6]) -> Self {
        Self { address, len: 48 }
    }
}

/// `00:1b:21:00:00:00/24`; without a length, all given bytes are significant: `00:1b:21` is the
/// same. Dashes are accepted instead of colons.
impl FromStr for MacPrefix {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let wrong = || KeyError::Mac(text.to_owned());
        let (bytes, len) = match text.split_once('/') {
            Some((bytes, len)) => (bytes, Some(len.parse().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let mut address = [0; 6];
        let mut given = 0;
        for (n, pair) in bytes.split([':', '-']).enumerate() {
            let digits = pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit());
            let byte = address.get_mut(n).filter(|_| digits).ok_or_else(wrong)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
            given += 8;
        }
        Self::new(address, len.unwrap_or(given))
    }
}

impl fmt::Display for MacPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.address;
        write!(
            f,
            "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}/{}",
            self.len
        )
    }
}

impl PrefixKey for MacPrefix {
    const DATA_SIZE: Option<usize> = Some(6);

    fn prefix_len(&self) -> u32 {
        self.len.into()
    }

    fn data(&self) -> impl AsRef<[u8]> {
        self.address
    }

    fn from_parts(data: &[u8], len: u32) -> Option<Self> {
        Self::new(data.try_into().ok()?, u8::try_from(len).ok()?).ok()
    }
}

/// The first bits of a byte string, for maps with keys of any size: paths, names, and anything that
/// has no type of its own.
///
/// A string covers all strings that begin with it: end a directory's path with a slash, or
/// `/usr/lib` also covers `/usr/libexec`.
///
/// `<` compares bytes first, then lengths.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BytePrefix {
    data: Vec<u8>,
    len: u32,
}

impl BytePrefix {
    /// The first `len` bits of `data`; the others are cleared or dropped.
    pub fn new(data: &[u8], len: u32) -> Result<Self, KeyError> {
        let bytes = (len as usize).div_ceil(8);
        let bits = data.len() * 8;
        let mut data = data
            .get(..bytes)
            .ok_or(KeyError::Length { len, bits })?
            .to_vec();
        if let (Some(last), odd @ 1..) = (data.last_mut(), len % 8) {
            *last &= !(0xff >> odd);
        }
        Ok(Self { data, len })
    }

    /// All bits of a string.
    pub fn whole(data: impl Into<Vec<u8>>) -> Self {
        let data = data.into();
        let len = data.len() as u32 * 8;
        Self { data, len }
    }

    /// The bytes that hold the bits.
    pub fn bytes(&self) -> &[u8] {
        &self.data
    }
}

impl From<&str> for BytePrefix {
    fn from(text: &str) -> Self {
        Self::whole(text)
    }
}

impl PrefixKey for BytePrefix {
    const DATA_SIZE: Option<usize> = None;

    fn prefix_len(&self) -> u32 {
        self.len
    }

    fn data(&self) -> impl AsRef<[u8]> {
        &self.data
    }

    fn from_parts(data: &[u8], len: u32) -> Option<Self> {
        Self::new(data, len).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts<K: PrefixKey>(key: &K) -> (Vec<u8>, u32) {
        (key.data().as_ref().to_vec(), key.prefix_len())
    }

    #[test]
    fn networks_are_their_octets_and_come_back() {
        let v4: Ipv4Net = "10.1.0.0/16".parse().unwrap();
        assert_eq!(parts(&v4), (vec![10, 1, 0, 0], 16));
        assert_eq!(Ipv4Net::from_parts(&[10, 1, 0, 0], 16), Some(v4));
        assert_eq!(Ipv4Net::from_parts(&[10, 1, 0, 0], 33), None);
        assert_eq!(Ipv4Net::from_parts(&[10, 1], 8), None);

        let v6: Ipv6Net = "2001:db8::/32".parse().unwrap();
        let (data, len) = parts(&v6);
        assert_eq!((&data[..4], len), (&[0x20, 0x01, 0x0d, 0xb8][..], 32));
        assert_eq!(Ipv6Net::from_parts(&data, len), Some(v6));
    }

    #[test]
    fn mac_prefixes_are_read_and_written() {
        let intel: MacPrefix = "00:1b:21:ff:00:00/24".parse().unwrap();
        assert_eq!(intel.to_string(), "00:1b:21:00:00:00/24");
        assert_eq!("00-1B-21".parse(), Ok(intel));
        assert_eq!(parts(&intel), (vec![0, 0x1b, 0x21, 0, 0, 0], 24));
        assert_eq!(
            MacPrefix::from([1, 2, 3, 4, 5, 6]).to_string(),
            "01:02:03:04:05:06/48"
        );
        assert_eq!(
            MacPrefix::new([255; 6], 0).unwrap().to_string(),
            "00:00:00:00:00:00/0"
        );
        for wrong in [
            "",
            "0:1:2",
            "00:1b:21:00:00:00:00",
            "gg",
            "00:1b/x",
            "+1:00",
        ] {
            let error = KeyError::Mac(wrong.to_owned());
            assert_eq!(wrong.parse::<MacPrefix>(), Err(error), "{wrong}");
        }
        let long = KeyError::Length { len: 49, bits: 48 };
        assert_eq!("00:1b:21:00:00:00/49".parse::<MacPrefix>(), Err(long));
    }

    #[test]
    fn byte_strings_keep_significant_bits_only() {
        let path = BytePrefix::from("/usr/");
        assert_eq!(parts(&path), (b"/usr/".to_vec(), 40));
        assert_eq!(BytePrefix::from_parts(b"/usr/\0\0\0", 40), Some(path));
        let odd = BytePrefix::new(&[0xff, 0xff], 12).unwrap();
        assert_eq!(odd.bytes(), [0xff, 0xf0]);
        let short = KeyError::Length { len: 17, bits: 16 };
        assert_eq!(BytePrefix::new(&[0xff, 0xff], 17), Err(short));
        assert_eq!(BytePrefix::new(&[], 0).unwrap(), BytePrefix::from(""));
    }
}
