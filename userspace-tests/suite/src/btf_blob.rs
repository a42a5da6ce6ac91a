// SPDX-License-Identifier: MIT OR Apache-2.0
//! A small BTF blob with key and value types for maps. Format: uapi btf.h.

/// Type ids in the blob.
pub const U32: u32 = 1;
pub const U64: u32 = 2;
/// `struct { u32 prefixlen; u8 data[4]; }`
pub const KEY: u32 = 5;
/// `struct { struct bpf_spin_lock lock; u32 rest; }`
pub const LOCKED: u32 = 7;
/// `struct { u64 packets; u32 errors; }`
pub const COUNTS: u32 = 8;
/// `union { u32 prefixlen; u64 number; }`
pub const UNION: u32 = 9;
/// An id beyond the last type.
pub const NO_SUCH: u32 = 10;

const INT: u32 = 1 << 24;
const ARRAY: u32 = 3 << 24;
const STRUCT: u32 = 4 << 24;
const UNION_KIND: u32 = 5 << 24;

/// The blob, in the form that BPF_BTF_LOAD expects.
pub fn blob() -> Vec<u8> {
    let mut strings = vec![0];
    let mut name = |text: &str| {
        let at = strings.len() as u32;
        strings.extend_from_slice(text.as_bytes());
        strings.push(0);
        at
    };
    // Per type: name, kind and vlen, size, and kind-specific data (members: name, type, bit).
    let types = [
        vec![name("u32"), INT, 4, 32],
        vec![name("u64"), INT, 8, 64],
        vec![name("u8"), INT, 1, 8],
        vec![0, ARRAY, 0, 3, U32, 4],
        vec![
            name("key"),
            STRUCT | 2,
            8,
            name("prefixlen"),
            U32,
            0,
            name("data"),
            4,
            32,
        ],
        vec![name("bpf_spin_lock"), STRUCT | 1, 4, name("val"), U32, 0],
        vec![
            name("locked"),
            STRUCT | 2,
            8,
            name("lock"),
            6,
            0,
            name("rest"),
            U32,
            32,
        ],
        vec![
            name("counts"),
            STRUCT | 2,
            16,
            name("packets"),
            U64,
            0,
            name("errors"),
            U32,
            64,
        ],
        vec![
            name("either"),
            UNION_KIND | 2,
            8,
            name("prefixlen"),
            U32,
            0,
            name("number"),
            U64,
            0,
        ],
    ]
    .concat();

    let type_len = types.len() as u32 * 4;
    let header = [24, 0, type_len, type_len, strings.len() as u32];
    let mut blob = 0xeb9fu16.to_ne_bytes().to_vec();
    blob.extend([1, 0]);
    for word in header.iter().chain(&types) {
        blob.extend(word.to_ne_bytes());
    }
    blob.extend(strings);
    blob
}
