// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tests of BPF_MAP_TYPE_LPM_MTRIE that run as root inside the test machine.
//!
//! ```text
//! suite [FILTER…]         run the tests whose names contain one of the filters
//! suite --own [FILTER…]   leave out the runs on LPM_TRIE, which is compared elsewhere
//! suite --list [FILTER…]  name them
//! ```
//!
//! A test that states LPM_TRIE's behaviour runs on both types. A kernel that
//! lacks the map type fails the tests that need it; nothing is skipped.

mod btf_blob;
mod check;
mod harness;
mod kernel_module;
mod maps;
mod model;
mod objects;
mod perf;
mod prefix;
mod random;
mod references;
mod tests;
mod unprivileged;
mod wait;

use std::{env, process::ExitCode};

fn main() -> ExitCode {
    let (options, filters): (Vec<_>, Vec<_>) =
        env::args().skip(1).partition(|arg| arg.starts_with('-'));
    let cases = harness::select(&tests::all(), &filters);
    match options.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => harness::run(&cases),
        ["--own"] => harness::run(&harness::own(cases)),
        ["--list"] => {
            for case in cases {
                println!("{}", case.name());
            }
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("usage: suite [--list | --own] [FILTER…]");
            ExitCode::from(2)
        }
    }
}
