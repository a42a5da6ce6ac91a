// SPDX-License-Identifier: GPL-2.0
//! Sequences of operations with memory that fails at points of the fuzzer's choice.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lpm_mtrie_core::fuzz::failing_memory(bytes));
