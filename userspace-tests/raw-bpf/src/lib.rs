// SPDX-License-Identifier: MIT OR Apache-2.0
//! What only tests need of bpf(2), built upon the calls of the library.
//!
//! | module      | its idea |
//! |-------------|----------|
//! | [`raw_map`] | bytes in, bytes out: every map command of bpf(2), errno kept |
//! | [`sys`]     | bpf(2) itself: wrong attributes, tokens, logs, attachments |

pub mod raw_map;
pub mod sys;

pub use raw_map::RawMap;
