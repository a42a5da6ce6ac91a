// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the fuzzer throws at the map type, and what it expects of each throw.
//!
//! | module       | its idea |
//! |--------------|----------|
//! | [`arena`]    | memory for the kernel to read and write, and addresses that are none |
//! | [`target`]   | a map under test beside its model |
//! | [`calls`]    | random and mutated bpf(2) calls on maps |
//! | [`life`]     | random calls on maps as such |
//! | [`programs`] | random programs from a grammar over the helpers |
//! | [`tally`]    | how many of each, with what result |

pub mod arena;
pub mod calls;
pub mod life;
pub mod programs;
pub mod tally;
pub mod target;
