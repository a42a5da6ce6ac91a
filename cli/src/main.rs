// SPDX-License-Identifier: MIT OR Apache-2.0
//! `lpm`: longest-prefix-match maps of BPF on the command line.
//!
//! | module       | its idea |
//! |--------------|----------|
//! | [`args`]     | the command line |
//! | [`target`]   | the map that it names |
//! | [`key`], [`value`] | how prefixes and values are written |
//! | [`input`], [`output`] | lists of entries, read and printed |
//! | [`commands`] | what is done |
//! | [`failure`]  | exit statuses |

mod args;
mod commands;
mod failure;
mod input;
mod key;
mod output;
mod target;
mod value;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match commands::run(args::Cli::parse()) {
        Ok(outcome) => outcome.into(),
        Err(failure) => {
            if !matches!(failure, failure::Failure::Closed) {
                eprintln!("lpm: {failure}");
            }
            failure.exit_code()
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::args::Cli::command().debug_assert();
    }
}
