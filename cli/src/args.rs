// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line: what `lpm --help`, the man pages and the completions say.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;

use crate::{key::KeyKind, value::ValueKind};

/// Longest-prefix-match maps of BPF: look up, load, compare, watch.
///
/// MAP is the path of a pin (/sys/fs/bpf/routes), id:N, or name:X. Maps of both
/// types are taken, LPM_TRIE and LPM_MTRIE.
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
  1  no match, nothing to delete, or a difference
  2  wrong usage: options, keys, values, or the lines of a file
  3  an error of the system: no such map, no permission, a full map";

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Options {
    /// What the keys are; guessed from their size without it
    #[arg(long, global = true, value_enum, value_name = "KIND")]
    pub key: Option<KeyKind>,
    /// How values are written; without it as the map's BTF says, or unsigned, or hex for sizes
    /// that no integer has
    #[arg(long, global = true, value_enum, value_name = "FORM")]
    pub value: Option<ValueKind>,
    /// Print one JSON object a line
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
    /// Everywhere, also in files and pipes
    Always,
    /// Nowhere
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// `prefix value` a line, # for comments
    Text,
    /// `prefix,value` a line
    Csv,
    /// {"prefix": …, "value": …} a line
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Type {
    /// LPM_MTRIE, of kernels that have it
    Mtrie,
    /// LPM_TRIE, of every kernel
    Trie,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create a map and pin it
    Create(Create),
    /// Add the entries of a file; all lines are checked first
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
        /// Addresses, or prefixes; a single - reads them from standard input, one a line
        #[arg(required = true, value_name = "ADDR")]
        keys: Vec<String>,
    },
    /// Print the value of exactly these prefixes
    Get {
        /// Pin, id:N or name:X
        map: String,
        /// Prefixes; a single - reads them from standard input, one a line
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
        /// The value; 0x… for hexadecimal, NAME=N,… where the map's BTF names fields
        #[arg(allow_hyphen_values = true, value_name = "VALUE")]
        new_value: String,
        /// Only add: it is an error if the prefix is there
        #[arg(long, conflicts_with = "replace")]
        add: bool,
        /// Only replace: it is an error if the prefix is not there
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
        /// Remove all that they cover, too
        #[arg(long)]
        subtree: bool,
    },
    /// Print all entries, in the map's order
    Dump {
        /// Pin, id:N or name:X
        map: String,
        /// How to write them; what is written can be loaded
        #[arg(long, value_enum)]
        format: Option<Format>,
    },
    /// Print what differs: - is in the map, + in the file
    Diff {
        /// Pin, id:N or name:X
        map: String,
        #[command(flatten)]
        file: File,
    },
    /// Make the map hold what a file says, and nothing else
    Replace(Replace),
    /// Print size, memory, and how many prefixes have which length
    Stats {
        /// Pin, id:N or name:X
        map: String,
    },
    /// Print what changes, until interrupted
    Watch {
        /// Pin, id:N or name:X
        map: String,
        /// Seconds between two looks
        #[arg(long, default_value = "1", value_name = "SECONDS")]
        interval: f64,
        /// End after this many looks
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
    /// The map's name; the pin's without it
    #[arg(long)]
    pub name: Option<String>,
    /// How many entries it takes
    #[arg(long, value_name = "N", default_value_t = 65_536)]
    pub max_entries: u32,
    /// Bytes of a value
    #[arg(long, value_name = "BYTES", default_value_t = 4)]
    pub value_size: usize,
    /// Bytes of a path, 1 to 256; other kinds have a size of their own
    #[arg(long, value_name = "BYTES")]
    pub key_size: Option<usize>,
}

#[derive(Debug, Args)]
pub struct Replace {
    /// Pin, id:N or name:X
    pub map: String,
    #[command(flatten)]
    pub file: File,
    /// Build a new map like MAP, and put it into this array or hash of maps in one update; a pin
    /// of MAP moves to it
    #[arg(long, value_name = "OUTER")]
    pub swap: Option<String>,
    /// Where in OUTER: an index, or the number that is its key
    #[arg(long, value_name = "N", default_value_t = 0, requires = "swap")]
    pub slot: u64,
}

#[derive(Debug, Args)]
pub struct File {
    /// The file, or - for standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub path: PathBuf,
    /// How it is written; guessed from its name and first line without it
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// It has IPv4 and IPv6: leave out what is of the other family than the map
    #[arg(long)]
    pub mixed: bool,
}
