// SPDX-License-Identifier: MIT OR Apache-2.0
//! Userspace's side of `BPF_MAP_TYPE_LPM_MTRIE`.
//!
//! | module       | its idea |
//! |--------------|----------|
//! | [`btf`]      | the value of an enumerator in a kernel's BTF |
//! | [`map_type`] | the type's number on the running kernel, by name |
//! | [`map`]      | create and open maps as aya's types |
//! | [`object`]   | load an ELF object whose `.maps` names the type |
//!
//! ```no_run
//! use aya::maps::lpm_trie::Key;
//! use lpm_mtrie::{MapType, map};
//!
//! let mtrie = MapType::lpm_mtrie()?;
//! let data = map::create(mtrie, "routes", 8, 4, 1_000_000, 0)?;
//! let mut routes = map::typed::<u32, u32>(data)?;
//! routes.insert(&Key::new(8, u32::from_ne_bytes([10, 0, 0, 0])), 64512, 0)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod btf;
pub mod map;
pub mod map_type;
pub mod object;
mod program_kind;
#[doc(hidden)]
pub mod sys;

pub use map_type::{MapType, MapTypeError};
pub use object::{Loader, Object, ObjectError, Program};
