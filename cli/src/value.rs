// SPDX-License-Identifier: MIT OR Apache-2.0
//! Values in human-readable form.

use clap::ValueEnum;
use lpm_mtrie::Bytes;
use serde_json::Value as Json;

use crate::failure::{Failure, Result};

/// How values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ValueKind {
    /// An integer of the value's size, in machine byte order
    Unsigned,
    /// The same, signed
    Signed,
    /// All bytes, in memory order: 0x…
    Hex,
}

impl ValueKind {
    /// The default for values of this many bytes.
    pub fn guess(size: usize) -> Self {
        if is_integer(size) {
            Self::Unsigned
        } else {
            Self::Hex
        }
    }

    /// Whether values of this size can be written this way.
    pub fn check(self, size: usize) -> Result<Self> {
        if self == Self::Hex || is_integer(size) {
            return Ok(self);
        }
        Err(Failure::usage(format!(
            "values of {size} bytes are not integers, which have 1, 2, 4, 8 or 16; use --value hex"
        )))
    }

    pub fn parse(self, text: &str, size: usize) -> Result<Bytes> {
        let value = match self {
            Self::Hex => text
                .strip_prefix("0x")
                .and_then(parse_hex)
                .filter(|bytes| bytes.len() == size),
            Self::Unsigned => {
                let number = match text.strip_prefix("0x") {
                    Some(digits) => u128::from_str_radix(digits, 16).ok(),
                    None => text.parse().ok(),
                };
                let most = u128::MAX >> (128 - 8 * size);
                number
                    .filter(|number| *number <= most)
                    .map(|number| narrow(number, size))
            }
            Self::Signed => {
                let most = i128::MAX >> (128 - 8 * size);
                let number = text.parse().ok();
                number
                    .filter(|number| (-most - 1..=most).contains(number))
                    .map(|number: i128| narrow(number as u128, size))
            }
        };
        value.map(Bytes).ok_or_else(|| {
            let expected = match self {
                Self::Unsigned => format!("an unsigned integer of {size} bytes"),
                Self::Signed => format!("an integer of {size} bytes"),
                Self::Hex => format!("0x and {} hexadecimal digits", 2 * size),
            };
            Failure::usage(format!("the value '{text}' is not {expected}"))
        })
    }

    pub fn format(self, value: &Bytes) -> String {
        match self {
            Self::Unsigned => wide(&value.0).to_string(),
            Self::Signed => signed(&value.0).to_string(),
            Self::Hex => hex(&value.0),
        }
    }

    /// A number if JSON can represent it, else text.
    pub fn json(self, value: &Bytes) -> Json {
        let number = match self {
            Self::Unsigned => u64::try_from(wide(&value.0)).ok().map(Json::from),
            Self::Signed => i64::try_from(signed(&value.0)).ok().map(Json::from),
            Self::Hex => None,
        };
        number.unwrap_or_else(|| self.format(value).into())
    }

    /// Parses what [`Self::json`] returned.
    pub fn parse_json(self, json: &Json, size: usize) -> Result<Bytes> {
        match json {
            Json::String(text) => self.parse(text, size),
            Json::Number(number) => self.parse(&number.to_string(), size),
            _ => Err(Failure::usage(format!(
                "the value {json} is neither a number nor a string"
            ))),
        }
    }
}

fn is_integer(size: usize) -> bool {
    [1, 2, 4, 8, 16].contains(&size)
}

/// The low bytes of a number, in machine byte order.
fn narrow(number: u128, size: usize) -> Vec<u8> {
    let bytes = number.to_ne_bytes();
    if cfg!(target_endian = "little") {
        bytes[..size].to_vec()
    } else {
        bytes[16 - size..].to_vec()
    }
}

/// The number in machine byte order.
fn wide(bytes: &[u8]) -> u128 {
    let push = |number: u128, byte: &u8| number << 8 | u128::from(*byte);
    if cfg!(target_endian = "little") {
        bytes.iter().rev().fold(0, push)
    } else {
        bytes.iter().fold(0, push)
    }
}

fn signed(bytes: &[u8]) -> i128 {
    let unused = 128 - 8 * bytes.len() as u32;
    (wide(bytes) << unused) as i128 >> unused
}

pub fn hex(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("0x{digits}")
}

/// Pairs of hexadecimal digits.
pub fn parse_hex(digits: &str) -> Option<Vec<u8>> {
    let valid =
        digits.bytes().all(|byte| byte.is_ascii_hexdigit()) && digits.len().is_multiple_of(2);
    let pairs = digits.as_bytes().chunks(2).filter(|_| valid);
    let bytes: Vec<u8> = pairs
        .filter_map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    valid.then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_as_the_same() {
        for (kind, size, written, read) in [
            (ValueKind::Unsigned, 4, "64512", "64512"),
            (ValueKind::Unsigned, 1, "255", "255"),
            (ValueKind::Unsigned, 2, "0x100", "256"),
            (
                ValueKind::Unsigned,
                8,
                "18446744073709551615",
                "18446744073709551615",
            ),
            (ValueKind::Signed, 4, "-1", "-1"),
            (ValueKind::Signed, 1, "-128", "-128"),
            (ValueKind::Signed, 16, "7", "7"),
            (ValueKind::Hex, 3, "0x0aFF00", "0x0aff00"),
        ] {
            let value = kind.parse(written, size).unwrap();
            assert_eq!(value.0.len(), size);
            assert_eq!(kind.format(&value), read);
            assert_eq!(kind.parse_json(&kind.json(&value), size).unwrap(), value);
        }
        assert_eq!(
            ValueKind::Unsigned.parse("258", 4).unwrap().0,
            258u32.to_ne_bytes()
        );
        assert_eq!(ValueKind::Unsigned.json(&Bytes(vec![7])), Json::from(7));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (kind, size, text) in [
            (ValueKind::Unsigned, 1, "256"),
            (ValueKind::Unsigned, 4, "-1"),
            (ValueKind::Unsigned, 4, ""),
            (ValueKind::Signed, 1, "128"),
            (ValueKind::Signed, 1, "-129"),
            (ValueKind::Hex, 2, "0x01"),
            (ValueKind::Hex, 2, "0102"),
            (ValueKind::Hex, 2, "0x01+2"),
        ] {
            let failure = kind.parse(text, size);
            assert!(matches!(failure, Err(Failure::Usage(_))), "{text}");
        }
        assert!(ValueKind::Unsigned.check(3).is_err());
        assert!(ValueKind::Hex.check(3).is_ok());
        assert_eq!(ValueKind::guess(3), ValueKind::Hex);
    }
}
