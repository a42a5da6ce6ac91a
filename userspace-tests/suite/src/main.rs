// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tests of BPF_MAP_TYPE_LPM_MTRIE that run as root inside the test machine.
//!
//! ```text
//! suite [FILTER…]         run the tests whose names begin with one of the filters
//! suite --own [FILTER…]   omit the runs on LPM_TRIE
//! suite --debug [FILTER…] the same, and omit tests not meant for the debug kernel
//! suite --list [FILTER…]  list the tests
//! suite --tour            show a map's life cycle, step by step
//! suite --bench           time lookups by a program
//! ```
//!
//! Tests of behaviour shared with LPM_TRIE run on both types. On a kernel without the
//! map type, the tests that need it fail. Tests that this machine cannot run are left
//! out, with a message that gives the reason.

mod arch;
mod bench;
mod btf_blob;
mod check;
mod child;
mod command;
mod content;
mod contract;
mod delegation;
mod fault_injection;
mod ftrace;
mod fuzz;
mod harness;
mod instructions;
mod kernel_log;
mod kernel_module;
mod maps;
mod memory;
mod memory_cgroup;
mod memory_refusal;
mod model;
mod objects;
mod pages;
mod perf;
mod prefix;
mod random;
mod raw_call;
mod references;
mod requests;
mod routes;
mod tests;
mod tour;
mod unprivileged;
mod userfault;
mod wait;

use std::{env, io, process::ExitCode};

use anyhow::Result;

fn main() -> ExitCode {
    let (options, filters): (Vec<_>, Vec<_>) =
        env::args().skip(1).partition(|arg| arg.starts_with('-'));
    let options: Vec<_> = options.iter().map(String::as_str).collect();
    match options[..] {
        ["--tour"] => {
            let result = harness::Type::lpm_mtrie().and_then(|on| tour::run(on, &mut io::stdout()));
            return ended("the tour", result);
        }
        ["--bench"] => return ended("the benchmark", bench::run()),
        _ => {}
    }
    let cases = harness::select(&tests::runnable(), &filters);
    if let Some(filter) = harness::unmatched(&cases, &filters) {
        eprintln!("no test that can run on this machine has a name that begins with {filter}");
        return ExitCode::from(2);
    }
    match options[..] {
        [] => harness::run(&cases),
        ["--own"] => harness::run(&harness::own(cases)),
        ["--debug"] => harness::run(&harness::on_debug(cases)),
        ["--list"] => {
            for case in cases {
                println!("{}", case.name());
            }
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("usage: suite [--list | --own | --debug | --tour | --bench] [FILTER…]");
            ExitCode::from(2)
        }
    }
}

fn ended(what: &str, result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{what} failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}
