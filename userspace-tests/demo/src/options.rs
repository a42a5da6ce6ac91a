// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line.

use std::path::PathBuf;

pub const USAGE: &str = "\
usage: demo --table FILE [--keep-going] [--known-as] [--seed NUMBER]

Loads a prefix list into LPM_TRIE and LPM_MTRIE maps, measures both, looks up real packets, and
compares the answers. Must run as root, on a kernel with the map type.

  --table FILE   one 'prefix/len value' per line; '#' starts a comment
  --keep-going   skip invalid lines instead of stopping
  --known-as     fail if a well-known address is not in its AS (for the BGP table)
  --seed NUMBER  seed for the random addresses (default: a random one, printed)";

#[derive(Debug, PartialEq)]
pub struct Options {
    pub table: PathBuf,
    pub keep_going: bool,
    pub known_as: bool,
    pub seed: Option<u64>,
}

#[derive(Debug, PartialEq, thiserror::Error)]
pub enum UsageError {
    #[error("{0} needs a value")]
    NoValue(String),
    #[error("{0} needs a number, not '{1}'")]
    BadValue(String, String),
    #[error("unknown option '{0}'")]
    Unknown(String),
    #[error("--table FILE is missing")]
    NoTable,
}

impl Options {
    /// Parses `args`, which must not include the program name.
    pub fn parse(args: impl IntoIterator<Item = String>) -> Result<Self, UsageError> {
        let mut args = args.into_iter();
        let mut table = None;
        let (mut keep_going, mut known_as) = (false, false);
        let mut seed = None;
        while let Some(option) = args.next() {
            let mut value = || args.next().ok_or(UsageError::NoValue(option.clone()));
            match option.as_str() {
                "--table" => table = Some(PathBuf::from(value()?)),
                "--keep-going" => keep_going = true,
                "--known-as" => known_as = true,
                "--seed" => {
                    let value = value()?;
                    let number = value.parse();
                    seed = Some(number.map_err(|_| UsageError::BadValue(option, value))?);
                }
                _ => return Err(UsageError::Unknown(option)),
            }
        }
        Ok(Self {
            table: table.ok_or(UsageError::NoTable)?,
            keep_going,
            known_as,
            seed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, UsageError> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn reads_every_option() {
        let options = parse("--table t --keep-going --known-as --seed 5");
        let expected = Options {
            table: "t".into(),
            keep_going: true,
            known_as: true,
            seed: Some(5),
        };
        assert_eq!(options, Ok(expected));
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!(parse(""), Err(UsageError::NoTable));
        assert_eq!(parse("--table"), Err(UsageError::NoValue("--table".into())));
        assert_eq!(parse("-x"), Err(UsageError::Unknown("-x".into())));
        let bad = |option: &str, value: &str| {
            Err(UsageError::BadValue(option.to_owned(), value.to_owned()))
        };
        assert_eq!(parse("--seed x"), bad("--seed", "x"));
    }
}
