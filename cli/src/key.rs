// SPDX-License-Identifier: MIT OR Apache-2.0
//! Keys in human-readable form.

use std::net::{Ipv4Addr, Ipv6Addr};

use clap::ValueEnum;
use ipnet::{Ipv4Net, Ipv6Net};
use lpm_mtrie::{BytePrefix, MacPrefix, PrefixKey};

use crate::{
    failure::{Failure, Result},
    input,
    value::{hex, parse_hex},
};

/// What the keys of a map are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KeyKind {
    /// 10.0.0.0/8; an address is a prefix of 32 bits
    Ipv4,
    /// 2001:db8::/32; an address is a prefix of 128 bits
    Ipv6,
    /// 00:1b:21:00:00:00/24, or 00:1b:21
    Mac,
    /// Text, which covers all that begins with it; 0x2f75/16 for bytes and bits
    Path,
}

impl KeyKind {
    /// The most likely kind of keys with this many bytes of data.
    pub fn guess(data_size: usize) -> Self {
        [Self::Ipv4, Self::Ipv6, Self::Mac]
            .into_iter()
            .find(|kind| kind.data_size() == Some(data_size))
            .unwrap_or(Self::Path)
    }

    /// Bytes of data, if the kind has a fixed size.
    pub fn data_size(self) -> Option<usize> {
        match self {
            Self::Ipv4 => Ipv4Net::DATA_SIZE,
            Self::Ipv6 => Ipv6Net::DATA_SIZE,
            Self::Mac => MacPrefix::DATA_SIZE,
            Self::Path => None,
        }
    }

    /// IPv6 for IPv4, and vice versa.
    pub fn other_family(self) -> Option<Self> {
        match self {
            Self::Ipv4 => Some(Self::Ipv6),
            Self::Ipv6 => Some(Self::Ipv4),
            Self::Mac | Self::Path => None,
        }
    }

    /// The argument of `--key`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Mac => "mac",
            Self::Path => "path",
        }
    }

    pub fn parse(self, text: &str) -> Result<BytePrefix> {
        match self {
            Self::Ipv4 => {
                let address = text.parse().map(|address: Ipv4Addr| address.into());
                let net: Option<Ipv4Net> = address.or_else(|_| text.parse()).ok();
                net.map(bytes)
                    .ok_or_else(|| wrong(text, "an IPv4 prefix", "10.0.0.0/8 or 10.1.2.3"))
            }
            Self::Ipv6 => {
                let address = text.parse().map(|address: Ipv6Addr| address.into());
                let net: Option<Ipv6Net> = address.or_else(|_| text.parse()).ok();
                net.map(bytes)
                    .ok_or_else(|| wrong(text, "an IPv6 prefix", "2001:db8::/32 or 2001:db8::1"))
            }
            Self::Mac => text
                .parse::<MacPrefix>()
                .map(bytes)
                .map_err(|error| Failure::usage(error.to_string())),
            // An empty text, such as that of an unset variable, must not name all paths.
            Self::Path if matches!(text, "" | "0x") => Err(wrong(
                text,
                "a path",
                "/usr/lib/, or 0x/0, which covers all",
            )),
            Self::Path => match text.strip_prefix("0x") {
                Some(digits) => {
                    parse_bits(digits).ok_or_else(|| wrong(text, "bytes and bits", "0x2f757372/32"))
                }
                None => Ok(BytePrefix::from(text)),
            },
        }
    }

    pub fn format(self, key: &BytePrefix) -> String {
        let (len, mut data) = (key.prefix_len(), key.bytes().to_vec());
        if let Some(size) = self.data_size() {
            data.resize(size, 0);
        }
        let text = match self {
            Self::Ipv4 => Ipv4Net::from_parts(&data, len).map(|net| net.to_string()),
            Self::Ipv6 => Ipv6Net::from_parts(&data, len).map(|net| net.to_string()),
            Self::Mac => MacPrefix::from_parts(&data, len).map(|prefix| prefix.to_string()),
            Self::Path => plain_text(&data, len),
        };
        text.unwrap_or_else(|| format!("{}/{len}", hex(&data)))
    }
}

fn wrong(text: &str, what: &str, example: &str) -> Failure {
    Failure::usage(format!(
        "'{text}' is not {what}, such as {example}; --key says what the keys are"
    ))
}

fn bytes(key: impl PrefixKey) -> BytePrefix {
    BytePrefix::new(key.data().as_ref(), key.prefix_len()).expect("the key has its own bits")
}

/// `HEX` or `HEX/LEN`, without the 0x.
fn parse_bits(text: &str) -> Option<BytePrefix> {
    let (digits, len) = match text.split_once('/') {
        Some((digits, len)) => (digits, Some(len.parse().ok()?)),
        None => (text, None),
    };
    let data = parse_hex(digits)?;
    match len {
        Some(len) => BytePrefix::new(&data, len).ok(),
        None => Some(BytePrefix::whole(data)),
    }
}

/// The text, if it would be read as the same prefix.
fn plain_text(data: &[u8], len: u32) -> Option<String> {
    let text = str::from_utf8(data)
        .ok()
        .filter(|_| len.is_multiple_of(8))?;
    let plain = !text.is_empty()
        && !text.starts_with("0x")
        && !text.starts_with('#')
        && input::comment(text).is_none()
        && text.trim() == text
        && !text.contains(char::is_control);
    plain.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_as_the_same() {
        for (kind, written, read) in [
            (KeyKind::Ipv4, "10.0.0.0/8", "10.0.0.0/8"),
            (KeyKind::Ipv4, "10.1.2.3", "10.1.2.3/32"),
            (KeyKind::Ipv4, "10.1.2.3/8", "10.0.0.0/8"),
            (KeyKind::Ipv4, "0.0.0.0/0", "0.0.0.0/0"),
            (KeyKind::Ipv6, "2001:DB8::/32", "2001:db8::/32"),
            (KeyKind::Ipv6, "::1", "::1/128"),
            (KeyKind::Mac, "00-1B-21", "00:1b:21:00:00:00/24"),
            (KeyKind::Path, "/usr/lib/", "/usr/lib/"),
            (
                KeyKind::Path,
                "with space, and comma",
                "with space, and comma",
            ),
            (KeyKind::Path, "0x2f75", "/u"),
            (KeyKind::Path, "0xff", "0xff/8"),
            (KeyKind::Path, "0xffff/12", "0xfff0/12"),
            (KeyKind::Path, " x", "0x2078/16"),
            (KeyKind::Path, "0x/0", "0x/0"),
        ] {
            let key = kind.parse(written).unwrap();
            let text = kind.format(&key);
            assert_eq!(text, read);
            assert_eq!(kind.parse(&text).unwrap(), key, "{text}");
        }
    }

    #[test]
    fn wrong_keys_are_refused_with_an_example() {
        for (kind, text) in [
            (KeyKind::Ipv4, "10.0.0.0/33"),
            (KeyKind::Ipv4, "::1"),
            (KeyKind::Ipv6, "10.0.0.1"),
            (KeyKind::Mac, "00:1b:21:"),
            (KeyKind::Path, ""),
            (KeyKind::Path, "0x"),
            (KeyKind::Path, "0x123"),
            (KeyKind::Path, "0x12/9"),
        ] {
            let Failure::Usage(message) = kind.parse(text).unwrap_err() else {
                panic!("{text}: not a matter of usage");
            };
            assert!(message.contains(text), "{message}");
            assert!(message.contains("such as"), "{message}");
        }
    }

    #[test]
    fn the_kind_is_guessed_from_the_size() {
        assert_eq!(KeyKind::guess(4), KeyKind::Ipv4);
        assert_eq!(KeyKind::guess(16), KeyKind::Ipv6);
        assert_eq!(KeyKind::guess(6), KeyKind::Mac);
        assert_eq!(KeyKind::guess(64), KeyKind::Path);
    }

    #[test]
    fn lengths_that_the_kind_does_not_have_are_shown_as_bits() {
        let odd = BytePrefix::new(&[1, 2, 3, 4, 5], 40).unwrap();
        assert_eq!(KeyKind::Ipv4.format(&odd), "0x01020304/40");
    }
}
