// SPDX-License-Identifier: GPL-2.0

//! `BPF_MAP_TYPE_LPM_MTRIE`: longest-prefix-match maps on a multibit trie.
//!
//! [`map`] makes the data structure in [`trie`] a BPF map; [`blocks`] gives it the kernel's memory.

mod blocks;
mod map;
#[path = "core/src/lib.rs"]
mod trie;

use kernel::{
    bpf::map::Registration,
    prelude::*, //
};

module! {
    type: Module,
    name: "lpm_mtrie",
    authors: ["The LPM_MTRIE authors"],
    description: "Longest-prefix-match BPF maps on a multibit trie",
    license: "GPL",
    alias: ["bpf-map-type-lpm_mtrie"],
    imports_ns: ["BPF_MAP_TYPE"],
}

struct Module {
    _registration: Registration<map::LpmMtrie>,
}

impl kernel::Module for Module {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self {
            _registration: Registration::new()?,
        })
    }
}
