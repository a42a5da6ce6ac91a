// SPDX-License-Identifier: GPL-2.0

//! `BPF_MAP_TYPE_LPM_MTRIE`: longest-prefix-match maps on a multibit trie.
//!
//! [`map`] makes the data structure in [`trie`] a BPF map; [`blocks`] gives it the kernel's memory.

mod blocks;
mod map;
#[path = "core/src/lib.rs"]
mod trie;

#[cfg(CONFIG_BPF_LPM_MTRIE)]
mod built_in {
    use kernel::{
        bpf::map::Ops,
        prelude::*,
        ModuleMetadata, //
    };

    /// For `include/linux/bpf_types.h`.
    #[no_mangle]
    static lpm_mtrie_map_ops: Ops = Ops::of::<crate::map::LpmMtrie>();

    /// There is no module, but a type's ops must name one.
    pub(crate) struct BuiltIn;

    impl ModuleMetadata for BuiltIn {
        const NAME: &'static CStr = c"lpm_mtrie";
        // SAFETY: `THIS_MODULE` is null in what is built in.
        const THIS_MODULE: ThisModule = unsafe { ThisModule::from_ptr(core::ptr::null_mut()) };
    }
}

#[cfg(CONFIG_BPF_LPM_MTRIE)]
use built_in::BuiltIn as LocalModule;

#[cfg(not(CONFIG_BPF_LPM_MTRIE))]
use kernel::{
    bpf::map::{
        Registration,
        Type, //
    },
    prelude::*, //
};

#[cfg(not(CONFIG_BPF_LPM_MTRIE))]
module! {
    type: Module,
    name: "lpm_mtrie",
    authors: ["The LPM_MTRIE authors"],
    description: "Longest-prefix-match BPF maps on a multibit trie",
    license: "GPL",
    alias: ["bpf-map-type-lpm_mtrie"],
}

#[cfg(not(CONFIG_BPF_LPM_MTRIE))]
struct Module {
    _registration: Registration<map::LpmMtrie>,
}

#[cfg(not(CONFIG_BPF_LPM_MTRIE))]
impl kernel::Module for Module {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self {
            _registration: Registration::new(Type::LPM_MTRIE)?,
        })
    }
}
