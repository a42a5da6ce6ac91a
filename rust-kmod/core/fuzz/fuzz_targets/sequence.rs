// SPDX-License-Identifier: GPL-2.0
//! Sequences of operations against the golden model and the structural checker.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lpm_mtrie_core::fuzz::sequence(bytes));
