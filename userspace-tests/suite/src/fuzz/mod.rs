// SPDX-License-Identifier: MIT OR Apache-2.0
//! The fuzzer's calls and programs, and the results that it expects.
//!
//! | module       | what it is about |
//! |--------------|----------|
//! | [`arena`]    | memory for the kernel to read and write, and bad addresses |
//! | [`target`]   | a map under test, with its model |
//! | [`calls`]    | random and mutated bpf(2) calls on maps |
//! | [`life`]     | random calls on whole maps |
//! | [`programs`] | random programs from a grammar over the helpers |
//! | [`tally`]    | how many there were, by kind and result |

pub mod arena;
pub mod calls;
pub mod life;
pub mod programs;
pub mod tally;
pub mod target;
