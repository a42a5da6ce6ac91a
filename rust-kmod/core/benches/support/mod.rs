// SPDX-License-Identifier: GPL-2.0
//! Shared by all measurements: the routing table, the probes, and a slab-like allocator.
#![allow(dead_code, reason = "each measurement uses its part")]

pub mod clock;
pub mod fixture;
pub mod slab;
pub mod table;
