// SPDX-License-Identifier: MIT OR Apache-2.0
//! The BPF objects that build.rs compiles from bpf/.

/// Aligned as the ELF parser requires.
#[repr(C, align(8))]
struct Aligned<T: ?Sized>(T);

macro_rules! object {
    ($name:literal) => {{
        const OBJECT: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(
            env!("OUT_DIR"),
            "/",
            $name,
            ".bpf.o"
        )));
        &OBJECT.0
    }};
}

pub const THREE_HELPERS: &[u8] = object!("three_helpers");
pub const SHARED: &[u8] = object!("shared");
pub const INNER: &[u8] = object!("inner");
pub const REFUSED: &[u8] = object!("refused");
pub const TORTURE: &[u8] = object!("torture");
pub const HELD: &[u8] = object!("held");
pub const INNER_SLEEPABLE: &[u8] = object!("inner_sleepable");
pub const NESTED: &[u8] = object!("nested");
pub const ENOUGH_MEMORY: &[u8] = object!("enough_memory");
pub const MAP_FIELDS: &[u8] = object!("map_fields");
pub const REFERENCES: &[u8] = object!("references");
pub const ACCESS: &[u8] = object!("access");
pub const ON_REQUEST: &[u8] = object!("on_request");
pub const REENTER: &[u8] = object!("reenter");
pub const BY_SYSCALL_PROGRAM: &[u8] = object!("by_syscall_program");
pub const PARKED: &[u8] = object!("parked");
pub const WALK: &[u8] = object!("walk");
pub const PINNED_BY_NAME: &[u8] = object!("pinned_by_name");
pub const WHOLE_TABLE: &[u8] = object!("whole_table");
pub const BENCH: &[u8] = object!("bench");
