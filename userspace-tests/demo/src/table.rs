// SPDX-License-Identifier: MIT OR Apache-2.0
//! A prefix list as text, one `prefix/len value` per line, read completely before loading.
//!
//! ```text
//! # comments and blank lines are skipped; IPv4 and IPv6 may be mixed
//! 1.1.1.0/24            13335
//! 2606:4700:4700::/48   13335   # the value is an unsigned 64-bit number
//! ```
//!
//! Every bad line is recorded with its number and the reason, so that all of them can be fixed at
//! once.

use std::{
    fmt,
    net::{AddrParseError, IpAddr},
    str,
};

use crate::{
    prefix::{Family, Prefix, left_aligned},
    prefix_set::{Entry, PrefixSet},
};

/// The entries of a list by family, and the lines that could not be parsed.
pub struct Table {
    pub v4: PrefixSet,
    pub v6: PrefixSet,
    pub bad: Vec<BadLine>,
}

/// A line that is neither an entry, nor a comment, nor blank.
#[derive(Debug, PartialEq)]
pub struct BadLine {
    pub number: usize,
    pub reason: Reason,
}

/// Why a line is bad.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum Reason {
    #[error("not UTF-8 text")]
    NotText,
    #[error("no value after '{0}'; expected 'prefix/len value'")]
    NoValue(String),
    #[error("'{0}' after the value; expected 'prefix/len value'")]
    TooMany(String),
    #[error("no '/len' in '{0}'")]
    NoLength(String),
    #[error("'{0}' is not an IPv4 or IPv6 address")]
    Address(String, #[source] AddrParseError),
    #[error("'{0}' is not a prefix length; {1} prefixes have 0 to {2}")]
    Length(String, &'static str, u8),
    #[error("'{0}' is not a number from 0 to {max}", max = u64::MAX)]
    Value(String),
}

impl Table {
    pub fn parse(text: &[u8]) -> Self {
        let (mut v4, mut v6, mut bad) = (Vec::new(), Vec::new(), Vec::new());
        for (number, line) in (1..).zip(text.split(|&byte| byte == b'\n')) {
            match parse_line(line) {
                Ok(Some((Family::V4, entry))) => v4.push(entry),
                Ok(Some((Family::V6, entry))) => v6.push(entry),
                Ok(None) => {}
                Err(reason) => bad.push(BadLine { number, reason }),
            }
        }
        Self {
            v4: PrefixSet::new(v4),
            v6: PrefixSet::new(v6),
            bad,
        }
    }

    pub fn family(&self, family: Family) -> &PrefixSet {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }

    pub fn len(&self) -> usize {
        self.v4.entries().len() + self.v6.entries().len()
    }

    /// Formats the first `limit` bad lines as `file:line: reason`, and the number of others.
    pub fn complaints<'a>(&'a self, file: &'a str, limit: usize) -> impl fmt::Display + 'a {
        fmt::from_fn(move |f| {
            for BadLine { number, reason } in self.bad.iter().take(limit) {
                writeln!(f, "{file}:{number}: {reason}")?;
            }
            match self.bad.len().saturating_sub(limit) {
                0 => Ok(()),
                more => writeln!(f, "{file}: {more} more bad lines"),
            }
        })
    }
}

fn parse_line(line: &[u8]) -> Result<Option<(Family, Entry)>, Reason> {
    let line = str::from_utf8(line).map_err(|_| Reason::NotText)?;
    let entry = line.split_once('#').map_or(line, |(entry, _comment)| entry);
    let mut fields = entry.split_whitespace();
    let Some(prefix) = fields.next() else {
        return Ok(None);
    };
    let (addr, len) = prefix
        .split_once('/')
        .ok_or_else(|| Reason::NoLength(prefix.into()))?;
    let addr: IpAddr = addr
        .parse()
        .map_err(|error| Reason::Address(addr.into(), error))?;
    let family = Family::of(addr);
    let len = number(len)
        .filter(|&len| len <= family.bits())
        .ok_or_else(|| Reason::Length(len.into(), family.name(), family.bits()))?;
    let value = fields
        .next()
        .ok_or_else(|| Reason::NoValue(prefix.into()))?;
    let value = number(value).ok_or_else(|| Reason::Value(value.into()))?;
    if let Some(more) = fields.next() {
        return Err(Reason::TooMany(more.into()));
    }
    let prefix = Prefix {
        bits: left_aligned(addr),
        len,
    };
    Ok(Some((family, Entry { prefix, value })))
}

/// Parses decimal digits only; `str::parse` would also accept a leading `+`.
fn number<T: str::FromStr>(text: &str) -> Option<T> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then_some(())?;
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bad(text: &str) -> Vec<BadLine> {
        Table::parse(text.as_bytes()).bad
    }

    fn reason(line: &str) -> String {
        match bad(line).as_slice() {
            [BadLine { number: 1, reason }] => reason.to_string(),
            other => panic!("{line:?} gave {other:?}, expected one bad line"),
        }
    }

    #[test]
    fn reads_both_families_comments_and_blank_lines() {
        let text = "# a comment\n\n1.0.0.0/24 13335\r\n  \t\n2001:db8::/32\t64500 # here too\n0.0.0.0/0 18446744073709551615";
        let table = Table::parse(text.as_bytes());
        assert_eq!(table.bad, []);
        assert_eq!(table.len(), 3);
        let v4: Vec<_> = table.v4.entries().iter().map(|entry| entry.value).collect();
        assert_eq!(v4, [u64::MAX, 13335], "sorted by address");
        let v6 = table.v6.entries()[0];
        assert_eq!(v6.prefix.display(Family::V6).to_string(), "2001:db8::/32");
    }

    #[test]
    fn keeps_host_bits_as_the_kernel_does() {
        let table = Table::parse(b"10.1.2.3/8 7");
        assert_eq!(table.bad, []);
        let prefix = table.v4.entries()[0].prefix;
        assert_eq!(prefix.bits, left_aligned("10.1.2.3".parse().unwrap()));
    }

    #[test]
    fn the_last_of_repeated_prefixes_counts() {
        let table = Table::parse(b"10.0.0.0/8 1\n10.9.9.9/8 2\n10.0.0.0/9 3");
        assert_eq!(table.v4.repeated(), 1);
        let values: Vec<_> = table.v4.entries().iter().map(|entry| entry.value).collect();
        assert_eq!(
            values,
            [2, 3],
            "/8 has the later value, /9 is another prefix"
        );
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!(
            reason("1.0.0.0/24"),
            "no value after '1.0.0.0/24'; expected 'prefix/len value'"
        );
        assert_eq!(
            reason("1.0.0.0/24 1 2"),
            "'2' after the value; expected 'prefix/len value'"
        );
        assert_eq!(reason("1.0.0.0 1"), "no '/len' in '1.0.0.0'");
        assert_eq!(
            reason("1.0.0/24 1"),
            "'1.0.0' is not an IPv4 or IPv6 address"
        );
        assert_eq!(
            reason("1.0.0.0/33 1"),
            "'33' is not a prefix length; IPv4 prefixes have 0 to 32"
        );
        assert_eq!(
            reason("::/129 1"),
            "'129' is not a prefix length; IPv6 prefixes have 0 to 128"
        );
        assert_eq!(
            reason("::/+8 1"),
            "'+8' is not a prefix length; IPv6 prefixes have 0 to 128"
        );
        let not_a_number = "is not a number from 0 to 18446744073709551615";
        for value in ["AS1", "-1", "18446744073709551616", "1.5"] {
            assert_eq!(
                reason(&format!("1.0.0.0/8 {value}")),
                format!("'{value}' {not_a_number}")
            );
        }
        assert_eq!(Table::parse(b"\xff\xfe/8 1").bad[0].reason, Reason::NotText);
    }

    #[test]
    fn reports_every_bad_line_with_its_number() {
        let table = Table::parse(b"1.0.0.0/8 1\nx\n# fine\ny 1\nz/8 1\n2.0.0.0/8 2\n");
        assert_eq!(table.len(), 2, "good lines are kept for --keep-going");
        let numbers: Vec<_> = table.bad.iter().map(|bad| bad.number).collect();
        assert_eq!(numbers, [2, 4, 5]);
        assert_eq!(
            table.complaints("list", 2).to_string(),
            "list:2: no '/len' in 'x'\nlist:4: no '/len' in 'y'\nlist: 1 more bad lines\n"
        );
    }
}
