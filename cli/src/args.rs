// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line: what `lpm --help`, the man pages and the completions say.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint, value_parser};
use clap_complete::Shell;

use crate::{key::KeyKind, value::ValueKind};

/// BPF longest-prefix-match maps: look up, load, compare, watch.
///
/// MAP is the path of a pin (/sys/fs/bpf/routes), id:N, or name:X. It may be of either type,
/// LPM_TRIE or LPM_MTRIE.
#[derive(Debug, Parser)]
#[command(name = "lpm", version, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(flatten)]
    pub options: Options,
    #[command(subcommand)]
    pub command: Command,
}

pub const EXIT_CODES: &str = "\
Exit status:
  0  found, or done
  1  no match, nothing to set or delete, or a difference
  2  wrong usage: options, keys, values, or the lines of a file
  3  a system error: no such map, no permission, a full map
  141  the reader closed the output early, as head does";

/// The options of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Options {
    /// What the keys are; by default guessed from their size (`lpm create` needs it)
    #[arg(long, global = true, value_enum, value_name = "KIND")]
    pub key: Option<KeyKind>,
    /// How values are written; by default as the map's BTF says, otherwise unsigned, or hex if the
    /// size is not that of an integer
    #[arg(long, global = true, value_enum, value_name = "FORM")]
    pub value: Option<ValueKind>,
    /// Print one JSON object per line
    #[arg(long, global = true)]
    pub json: bool,
    /// When to use colour
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value = "auto"
    )]
    pub color: Color,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always, also in files and pipes
    Always,
    /// Never
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// `prefix value` per line, # for comments
    Text,
    /// `prefix,value` per line
    Csv,
    /// {"prefix": …, "value": …} per line
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Type {
    /// LPM_MTRIE, on kernels that have it
    Mtrie,
    /// LPM_TRIE, on every kernel
    Trie,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create a map and pin it
    Create(Create),
    /// Add the entries of a file; checks all lines, and that there is room, before it begins
    Load {
        /// Pin, id:N or name:X
        map: String,
        #[command(flatten)]
        file: File,
    },
    /// Print the longest prefix that covers each address, and its value
    Lookup {
        /// Pin, id:N or name:X
        map: String,
        /// Addresses, or prefixes; a single - reads them from standard input, one per line
        #[arg(required = true, value_name = "ADDR")]
        keys: Vec<String>,
    },
    /// Print the value of exactly these prefixes
    Get {
        /// Pin, id:N or name:X
        map: String,
        /// Prefixes; a single - reads them from standard input, one per line
        #[arg(required = true, value_name = "PREFIX")]
        keys: Vec<String>,
    },
    /// Print all prefixes that cover an address, the longest first
    Covering {
        /// Pin, id:N or name:X
        map: String,
        /// An address, or a prefix
        addr: String,
    },
    /// Print all prefixes that a prefix covers
    Covered {
        /// Pin, id:N or name:X
        map: String,
        /// A prefix
        prefix: String,
    },
    /// Add an entry, or replace its value
    Set {
        /// Pin, id:N or name:X
        map: String,
        /// The prefix
        prefix: String,
        /// The value; 0x… for hexadecimal, unless it has a sign; NAME=N,… if the map's BTF names
        /// fields
        #[arg(allow_hyphen_values = true, value_name = "VALUE")]
        new_value: String,
        /// Only add: fail if the prefix is there
        #[arg(long, conflicts_with = "replace")]
        add: bool,
        /// Only replace: fail if the prefix is not there
        #[arg(long)]
        replace: bool,
    },
    /// Remove prefixes
    Delete {
        /// Pin, id:N or name:X
        map: String,
        /// The prefixes
        #[arg(required = true, value_name = "PREFIX")]
        keys: Vec<String>,
        /// Also remove all prefixes that they cover
        #[arg(long)]
        subtree: bool,
    },
    /// Print all entries, in the map's order
    Dump {
        /// Pin, id:N or name:X
        map: String,
        /// How to write them; `lpm load` reads each of these
        #[arg(long, value_enum)]
        format: Option<Format>,
    },
    /// Print the differences: - only in the map, + only in the file
    Diff {
        /// Pin, id:N or name:X
        map: String,
        #[command(flatten)]
        file: File,
    },
    /// Make the map hold exactly the entries of a file
    Replace(Replace),
    /// Print size, memory, and the number of prefixes of each length
    Stats {
        /// Pin, id:N or name:X
        map: String,
    },
    /// Print changes, until interrupted
    Watch {
        /// Pin, id:N or name:X
        map: String,
        /// Seconds between two reads of the map
        #[arg(long, default_value = "1", value_name = "SECONDS")]
        interval: f64,
        /// End after this many reads
        #[arg(long, value_name = "N")]
        count: Option<u64>,
    },
    /// Print a script that completes command lines of lpm
    Completions { shell: Shell },
    /// Print the manual page, or write one for each command to a directory
    Man {
        /// Where to write lpm.1, lpm-lookup.1 and the others
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        dir: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub struct Create {
    /// Where to pin it, in a BPF file system
    #[arg(value_hint = ValueHint::FilePath)]
    pub pin: PathBuf,
    /// The map type
    #[arg(
        long = "type",
        value_enum,
        value_name = "TYPE",
        default_value = "mtrie"
    )]
    pub map_type: Type,
    /// The map's name; by default the pin's
    #[arg(long)]
    pub name: Option<String>,
    /// How many entries it may have
    #[arg(long, value_name = "N", default_value_t = 65_536)]
    pub max_entries: u32,
    /// Bytes of a value
    #[arg(long, value_name = "BYTES", default_value_t = 4, value_parser = value_parser!(u32).range(1..))]
    pub value_size: u32,
    /// Bytes of a path, 1 to 256; other kinds of keys have a fixed size
    #[arg(long, value_name = "BYTES", value_parser = value_parser!(u32).range(1..=256))]
    pub key_size: Option<u32>,
}

#[derive(Debug, Args)]
pub struct Replace {
    /// Pin, id:N or name:X
    pub map: String,
    #[command(flatten)]
    pub file: File,
    /// Build a new map like MAP, and put it into this array or hash of maps in one update; if MAP
    /// is a pin, it then refers to the new map. A map with BTF needs CAP_SYS_ADMIN
    #[arg(long, value_name = "OUTER")]
    pub swap: Option<String>,
    /// Key in OUTER: the index in an array, or the numeric key in a hash
    #[arg(long, value_name = "N", default_value_t = 0, requires = "swap")]
    pub slot: u64,
    /// Accept a file without entries, which empties the map
    #[arg(long)]
    pub allow_empty: bool,
}

#[derive(Debug, Args)]
pub struct File {
    /// The file, or - for standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub path: PathBuf,
    /// Its format; by default guessed from its name and first line
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// The file mixes IPv4 and IPv6: skip the prefixes of the other family
    #[arg(long)]
    pub mixed: bool,
}
