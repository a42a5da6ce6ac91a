// SPDX-License-Identifier: GPL-2.0
//! Tests with access to the internals: units, properties against slow models, memory that fails on
//! demand. Fuzz targets use the part that needs no other crate, through `fuzz`.

mod check;
#[cfg(test)]
mod faults;
mod fixture;
#[cfg(test)]
mod footprint;
pub mod fuzz;
mod heap;
#[cfg(test)]
mod lpm_trie;
mod model;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod readers;
mod step;
#[cfg(test)]
mod strategy;
#[cfg(test)]
mod stride;
#[cfg(test)]
mod units;
