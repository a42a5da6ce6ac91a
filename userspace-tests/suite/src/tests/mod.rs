// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tests, one file per subject; a file lists its own in `TESTS`.

mod access;
mod attribute_log;
mod attributes;
mod bad_pointers;
mod batch;
mod btf;
mod cli;
mod concurrency;
mod create;
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
mod values_in_programs;
mod walks;
mod whole_table;

use crate::{command, fault_injection, harness::Test, kernel_module};

/// In the order in which they run: the module's comings and goings last.
pub fn all() -> Vec<Test> {
    [
        create::TESTS,
        attributes::TESTS,
        attribute_log::TESTS,
        btf::TESTS,
        elements::TESTS,
        matching::TESTS,
        order::TESTS,
        sizes::TESTS,
        footprint::TESTS,
        batch::TESTS,
        bad_pointers::TESTS,
        freeze::TESTS,
        access::TESTS,
        pinning::TESTS,
        references::TESTS,
        programs::TESTS,
        program_types::TESTS,
        values_in_programs::TESTS,
        torture::TESTS,
        map_fields::TESTS,
        matched_length::TESTS,
        walks::TESTS,
        whole_table::TESTS,
        helpers::TESTS,
        inner::TESTS,
        inner_sleepable::TESTS,
        differential::TESTS,
        concurrency::TESTS,
        fuzz::TESTS,
        lock::TESTS,
        memcg::TESTS,
        refused_memory::TESTS,
        nested::TESTS,
        enough_memory::TESTS,
        retirement::TESTS,
        faults::TESTS,
        faults_life::TESTS,
        privilege::TESTS,
        tokens::TESTS,
        library::TESTS,
        library_kernel::TESTS,
        cli::TESTS,
        examples::TESTS,
        tools::TESTS,
        kernel_map_tests::TESTS,
        module::TESTS,
        loading::TESTS,
        module_life::TESTS,
        module_claim::TESTS,
        module_bad_provider::TESTS,
    ]
    .concat()
}

/// Those that this machine can run; says aloud which ones it leaves out.
pub fn runnable() -> Vec<Test> {
    let mut tests = all();
    if !fault_injection::is_needed_or_there() {
        let needing = [faults::TESTS, faults_life::TESTS].concat();
        let why = "faults_*: this kernel has no fault injection, the debug kernel has";
        leave_out(&mut tests, &needing, why);
    }
    if kernel_module::is_built_in() {
        let why = "the type is built in, there is no module to load, count or remove";
        name_and_leave_out(&mut tests, needs_module, why);
    }
    if command::host_is_foreign() {
        let why = "they run programs of the host, whose CPU is of another kind than the machine's";
        name_and_leave_out(&mut tests, needs_programs_of_the_host, why);
    }
    tests
}

/// Whether a test inserts or removes the module, or reads its references.
fn needs_module(name: &str) -> bool {
    name.contains("module") || name == "references_match_the_tour"
}

/// Whether a test runs bpftool, or what scripts/tools has built.
fn needs_programs_of_the_host(name: &str) -> bool {
    let mut those = tools::TESTS.iter().chain(kernel_map_tests::TESTS);
    those.any(|test| test.name == name) && name != "tools_aya_loader_rejects_unknown_type"
}

fn name_and_leave_out(tests: &mut Vec<Test>, needs: fn(&str) -> bool, why: &str) {
    let mut needing = tests.clone();
    needing.retain(|test| needs(test.name));
    for test in &needing {
        eprintln!("not runnable: {}", test.name);
    }
    leave_out(tests, &needing, &format!("named above: {why}"));
}

fn leave_out(tests: &mut Vec<Test>, needing: &[Test], why: &str) {
    tests.retain(|test| !needing.iter().any(|other| other.name == test.name));
    eprintln!("{} tests are left out, {why}", needing.len());
}
