// SPDX-License-Identifier: MIT OR Apache-2.0
//! bpf(2): the calls of the library, and those that only tests need. Every error is the errno.

pub mod map;
pub mod prog;
pub mod token;

pub use lpm_mtrie::sys::{address, attr, bpf, bpf_fd, new_fd, obj_get, obj_pin, raw};
