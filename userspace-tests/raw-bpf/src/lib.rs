// SPDX-License-Identifier: MIT OR Apache-2.0
//! What only tests need of bpf(2), built on the calls of the library.
//!
//! | module      | what it is about |
//! |-------------|----------|
//! | [`raw_map`] | bytes in, bytes out: every map command of bpf(2), with its errno |
//! | [`sys`]     | bpf(2) itself: wrong attributes, tokens, logs, attachments |

pub mod raw_map;
pub mod sys;

pub use raw_map::RawMap;
