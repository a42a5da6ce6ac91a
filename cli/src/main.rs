// SPDX-License-Identifier: MIT OR Apache-2.0
//! `lpm`: BPF longest-prefix-match maps on the command line.
//!
//! | module       | what it is about |
//! |--------------|----------|
//! | [`args`]     | the command line |
//! | [`target`]   | the map that it names |
//! | [`key`], [`value`], [`form`] | how prefixes and values are written |
//! | [`input`], [`output`] | lists of entries, read and printed |
//! | [`commands`] | the commands |
//! | [`failure`]  | exit statuses |

mod args;
mod commands;
mod failure;
mod form;
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
    use clap::{CommandFactory, Parser};

    use super::args::Cli;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_is_read() {
        for line in [
            "create /sys/fs/bpf/x --key path --key-size 32 --type trie --value-size 8",
            "load id:1 - --format csv",
            "lookup id:1 10.1.2.3 10.2.3.4 --key ipv4",
            "get name:x 10.0.0.0/8 --json",
            "covering id:1 10.1.2.3 --key ipv4",
            "covered id:1 10.0.0.0/8 --color never",
            "set id:1 10.0.0.0/8 -1 --value signed --add",
            "delete id:1 10.0.0.0/8 --subtree",
            "dump id:1 --format json",
            "diff id:1 x.csv",
            "replace id:1 x --swap /sys/fs/bpf/outer --slot 1",
            "stats id:1",
            "watch id:1 --interval 0.5 --count 2",
            "completions zsh",
            "man --dir /tmp",
        ] {
            let words = ["lpm"].into_iter().chain(line.split(' '));
            let read = Cli::try_parse_from(words);
            assert!(read.is_ok(), "{line}: {}", read.unwrap_err());
        }
        let commands = Cli::command().get_subcommands().count();
        assert_eq!(commands, 15, "each has a line above");
    }

    #[test]
    fn manual_and_completions_name_every_command() {
        let mut page = vec![];
        clap_mangen::Man::new(Cli::command())
            .render(&mut page)
            .unwrap();
        let mut script = vec![];
        let shell = clap_complete::Shell::Bash;
        clap_complete::generate(shell, &mut Cli::command(), "lpm", &mut script);
        for text in [page, script] {
            let text = String::from_utf8(text).unwrap();
            for command in Cli::command().get_subcommands() {
                let name = command.get_name();
                assert!(text.contains(name), "{name} in {text}");
            }
        }
    }
}
