// SPDX-License-Identifier: GPL-2.0
//! Tests that see the inside: units, properties against slow models, memory that fails on demand.

mod check;
mod faults;
mod fixture;
mod heap;
mod lpm_trie;
mod model;
mod properties;
mod readers;
mod strategy;
mod stride;
mod units;
