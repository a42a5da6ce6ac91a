// SPDX-License-Identifier: MIT OR Apache-2.0
//! BPF longest-prefix-match maps from userspace: `BPF_MAP_TYPE_LPM_TRIE` of every kernel, and
//! `BPF_MAP_TYPE_LPM_MTRIE`, the faster type with the same keys, flags and errors.
//!
//! ```no_run
//! use std::net::Ipv4Addr;
//!
//! use ipnet::Ipv4Net;
//! use lpm_mtrie::LpmMap;
//!
//! let routes = LpmMap::<Ipv4Net, u32>::builder("routes")
//!     .max_entries(1_000_000)
//!     .pin("/sys/fs/bpf/routes")
//!     .open_or_create()?;
//! routes.insert(&"10.0.0.0/8".parse()?, &64512)?;
//! routes.insert(&"10.1.0.0/16".parse()?, &64513)?;
//!
//! let found = routes.longest_match(Ipv4Addr::new(10, 1, 2, 3))?;
//! assert_eq!(found, Some(("10.1.0.0/16".parse()?, 64513)));
//! for entry in routes.covered(&"10.0.0.0/8".parse()?) {
//!     let (prefix, origin) = entry?;
//!     println!("{prefix} {origin}");
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | to                                        | use |
//! |-------------------------------------------|----------|
//! | create, open, read and change a map       | [`LpmMap`] with [`Builder`] |
//! | define a type of prefixes                 | [`PrefixKey`]: [`Ipv4Net`](ipnet::Ipv4Net), [`Ipv6Net`](ipnet::Ipv6Net), [`MacPrefix`], [`BytePrefix`] |
//! | define a type of values                   | [`Value`]: every [`bytemuck::Pod`], [`Bytes`] |
//! | replace a table as a whole                | [`OuterMap`] |
//! | know what the kernel can do               | [`Features`] |
//! | load and attach programs with such maps   | [`Loader`], [`Hook`] |
//! | use the type with aya's own maps          | [`MapType`] and [`map`] |

#![warn(missing_docs)]

mod attach;
pub mod btf;
mod builder;
mod bulk;
mod error;
mod exact;
mod info;
mod kernel;
mod key;
mod layout;
mod lpm_map;
pub mod map;
mod map_type;
mod matcher;
mod matches;
pub mod object;
mod outer;
mod program_kind;
mod raw_key;
#[doc(hidden)]
#[allow(missing_docs, reason = "not part of the interface")]
pub mod sys;
mod value;
mod walk;

pub use attach::{AttachError, Hook, Link};
pub use builder::Builder;
pub use error::Error;
pub use info::MapInfo;
pub use kernel::Features;
pub use key::{BytePrefix, KeyError, MacPrefix, PrefixKey};
pub use layout::{Field, Integer, Layout};
pub use lpm_map::{LpmMap, Mode};
pub use map_type::{MapType, MapTypeError};
pub use object::{Loader, Object, ObjectError, Program};
pub use outer::OuterMap;
pub use sys::prog::{Rejected, TestResult};
pub use value::{Bytes, Value};
pub use walk::Entries;
