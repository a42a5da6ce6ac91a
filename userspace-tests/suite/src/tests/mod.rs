// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tests, one file per subject; a file lists its own in `TESTS`.

mod access;
mod attribute_log;
mod attributes;
mod bad_pointers;
mod batch;
mod btf;
mod cli;
mod cli_replace;
mod concurrency;
mod create;
mod demo;
pub mod differential;
mod elements;
mod enough_memory;
mod examples;
mod faults;
mod faults_life;
mod footprint;
mod freeze;
mod fuzz;
mod helpers;
mod inner;
mod inner_sleepable;
mod kernel_map_tests;
mod kmemleak;
mod library;
mod library_kernel;
mod loading;
mod lock;
mod map_fields;
mod matched_length;
mod matching;
mod memcg;
mod module;
mod module_bad_provider;
mod module_claim;
mod module_life;
mod nested;
mod order;
pub mod pinning;
mod privilege;
mod program_types;
mod programs;
mod references;
mod refused_memory;
mod retirement;
mod sizes;
mod tokens;
mod tools;
mod torture;
mod tutorial;
mod values_in_programs;
mod walks;
mod whole_table;

use crate::{
    command, fault_injection,
    harness::{Need, Test},
    kernel_module,
};

/// In the order in which they run: those that load and remove the module are last.
pub fn all() -> Vec<Test> {
    let faults = |tests| each(tests, |test| test.needing(Need::FaultInjection));
    let module = |tests| each(tests, |test| test.needing(Need::Module));
    let not_on_debug = |tests| each(tests, Test::not_on_debug);
    let programs = |tests| {
        each(tests, |test| {
            test.needing(Need::HostPrograms).not_on_debug()
        })
    };
    [
        create::TESTS.to_vec(),
        attributes::TESTS.to_vec(),
        attribute_log::TESTS.to_vec(),
        btf::TESTS.to_vec(),
        elements::TESTS.to_vec(),
        not_on_debug(matching::TESTS),
        order::TESTS.to_vec(),
        not_on_debug(sizes::TESTS),
        not_on_debug(footprint::TESTS),
        batch::TESTS.to_vec(),
        bad_pointers::TESTS.to_vec(),
        freeze::TESTS.to_vec(),
        access::TESTS.to_vec(),
        pinning::TESTS.to_vec(),
        references::TESTS.to_vec(),
        programs::TESTS.to_vec(),
        program_types::TESTS.to_vec(),
        values_in_programs::TESTS.to_vec(),
        torture::TESTS.to_vec(),
        map_fields::TESTS.to_vec(),
        matched_length::TESTS.to_vec(),
        walks::TESTS.to_vec(),
        not_on_debug(whole_table::TESTS),
        helpers::TESTS.to_vec(),
        inner::TESTS.to_vec(),
        inner_sleepable::TESTS.to_vec(),
        differential::TESTS.to_vec(),
        concurrency::TESTS.to_vec(),
        fuzz::TESTS.to_vec(),
        lock::TESTS.to_vec(),
        not_on_debug(memcg::TESTS),
        refused_memory::TESTS.to_vec(),
        nested::TESTS.to_vec(),
        enough_memory::TESTS.to_vec(),
        not_on_debug(retirement::TESTS),
        faults(faults::TESTS),
        faults(faults_life::TESTS),
        privilege::TESTS.to_vec(),
        tokens::TESTS.to_vec(),
        not_on_debug(library::TESTS),
        not_on_debug(library_kernel::TESTS),
        not_on_debug(cli::TESTS),
        not_on_debug(cli_replace::TESTS),
        not_on_debug(examples::TESTS),
        not_on_debug(demo::TESTS),
        programs(tools::TESTS),
        not_on_debug(tools::AYA),
        programs(kernel_map_tests::TESTS),
        module(module::TESTS),
        module(loading::TESTS),
        module(module_life::TESTS),
        module(module_claim::TESTS),
        module(module_bad_provider::TESTS),
        module(tutorial::TESTS),
        faults(kmemleak::TESTS),
    ]
    .concat()
}

fn each(tests: &[Test], mark: fn(Test) -> Test) -> Vec<Test> {
    tests.iter().copied().map(mark).collect()
}

/// The tests that this machine can run; prints the names of the others.
pub fn runnable() -> Vec<Test> {
    let mut tests = all();
    for need in [Need::FaultInjection, Need::Module, Need::HostPrograms] {
        if let Some(why) = missing(need) {
            let omitted = tests.extract_if(.., |test| test.needs(need));
            let names: Vec<_> = omitted.map(|test| test.name).collect();
            eprintln!("omitted, since {why}: {}", names.join(", "));
        }
    }
    tests
}

/// The reason why this machine lacks it, if it does.
fn missing(need: Need) -> Option<&'static str> {
    match need {
        Need::FaultInjection => (!fault_injection::is_needed_or_there())
            .then_some("this kernel has no fault injection (the debug kernel does)"),
        Need::Module => kernel_module::is_built_in()
            .then_some("the map type is built in, so there is no module"),
        Need::HostPrograms => command::host_is_foreign()
            .then_some("the host's programs do not run on this machine's CPU"),
    }
}
