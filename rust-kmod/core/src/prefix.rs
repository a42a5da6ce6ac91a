// SPDX-License-Identifier: GPL-2.0
//! Keys: their size in a map ([`Geometry`]), and a single one ([`Prefix`]).
//!
//! Data is read as big endian: bit 0 of a prefix is the highest bit of `data[0]`. Bits beyond
//! prefixlen are kept (get_next_key returns them) and never compared.

use super::slot::ENTRY_ALIGN;
use core::alloc::Layout;

/// Bytes of key data that a map may have.
pub const DATA_SIZE_MAX: u16 = 256;

/// Sizes that all prefixes and entries of one map share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    data_size: u16,
    value_size: u32,
}

impl Geometry {
    /// Keys of `data_size` bytes (1 to 256) with values of `value_size` bytes (1 to 1 GiB); `None`
    /// outside these limits.
    pub const fn new(data_size: u16, value_size: u32) -> Option<Self> {
        if data_size == 0 || data_size > DATA_SIZE_MAX || value_size == 0 || value_size > 1 << 30 {
            return None;
        }
        Some(Self {
            data_size,
            value_size,
        })
    }

    /// The same, if data has `N` bytes, which the compiler then knows.
    #[inline(always)]
    pub(super) fn sized<const N: usize>(&self) -> Option<Self> {
        (self.data_size() == N).then_some(Self {
            data_size: N as u16,
            value_size: self.value_size,
        })
    }

    /// Bytes of key data.
    pub const fn data_size(&self) -> usize {
        self.data_size as usize
    }

    /// Bytes of a value.
    pub const fn value_size(&self) -> usize {
        self.value_size as usize
    }

    /// The longest prefixlen in bits.
    pub const fn max_prefixlen(&self) -> u32 {
        self.data_size as u32 * 8
    }

    /// Offset of an entry's prefixlen: after the value, at an even address.
    pub(super) const fn prefixlen_offset(&self) -> usize {
        (self.value_size() + 1) & !1
    }

    /// Offset of an entry's data.
    pub(super) const fn data_offset(&self) -> usize {
        self.prefixlen_offset() + 2
    }

    /// Bytes of data that an entry stores of a prefix of `prefixlen` bits with nothing but zeroes
    /// beyond: what matters is the size class, and that lookups compare some sizes in one step.
    #[inline]
    pub(super) const fn stored(&self, prefixlen: u32) -> usize {
        let (needed, all) = (prefixlen.div_ceil(8) as usize, self.data_size());
        if all <= SHORT || needed > all {
            all
        } else if needed <= SHORT {
            SHORT
        } else if all <= 16 {
            all
        } else {
            needed
        }
    }

    /// The layout of an entry with `data` bytes of data: value, prefixlen, data; aligned for the
    /// tags in pointers to it.
    pub(super) const fn layout(&self, data: usize) -> Layout {
        // SAFETY: the alignment is a power of two, and value_size <= 1 << 30 plus 258 bytes stays
        // below isize::MAX, of 32 bits too.
        unsafe { Layout::from_size_align_unchecked(self.data_offset() + data, ENTRY_ALIGN) }
    }

    /// The layout of the largest entry.
    pub const fn largest_entry(&self) -> Layout {
        self.layout(self.data_size())
    }

    /// The layout of an entry of `prefix`. Zeroes beyond prefixlen take no space.
    pub fn entry_layout(&self, prefix: Prefix<'_>) -> Layout {
        self.layout(prefix.stored(self))
    }
}

/// Bytes of data that each entry stores, if keys have that many. With a value of 8 bytes, they make
/// a block of 16.
const SHORT: usize = 6;

/// A prefix as a caller names it: a length in bits, and key data.
///
/// # Invariants
///
/// `prefixlen <= 8 * data.len()`.
#[derive(Clone, Copy, Debug)]
pub struct Prefix<'a> {
    prefixlen: u32,
    data: &'a [u8],
}

impl<'a> Prefix<'a> {
    /// `None` if `data` is not of the geometry's size, or `prefixlen` exceeds its maximum.
    #[inline]
    pub fn new(geometry: &Geometry, prefixlen: u32, data: &'a [u8]) -> Option<Self> {
        // INVARIANT: max_prefixlen is eight times the data size that is required here.
        (data.len() == geometry.data_size() && prefixlen <= geometry.max_prefixlen())
            .then_some(Self { prefixlen, data })
    }

    /// Length in bits.
    pub fn prefixlen(&self) -> u32 {
        self.prefixlen
    }

    /// The key data, bits beyond prefixlen included.
    pub fn data(&self) -> &'a [u8] {
        self.data
    }

    /// Bytes of data that an entry of this prefix stores.
    pub(super) fn stored(&self, geometry: &Geometry) -> usize {
        let stored = geometry.stored(self.prefixlen);
        let (beyond, rest) = (
            self.data.get(self.depth()..).unwrap_or(&[]),
            self.prefixlen % 8,
        );
        let zeroes = beyond.split_first().is_none_or(|(first, others)| {
            first << rest == 0 && others.iter().all(|byte| *byte == 0)
        });
        if zeroes {
            stored
        } else {
            geometry.data_size()
        }
    }

    /// The depth, in whole bytes, at which this prefix ends; the node of that depth would hold it
    /// internally.
    pub(super) fn depth(&self) -> usize {
        (self.prefixlen / 8) as usize
    }

    /// Byte `i`, or 0 beyond the end (which no caller reaches; this avoids a panic path).
    pub(super) fn byte(&self, i: usize) -> u8 {
        self.data.get(i).copied().unwrap_or(0)
    }

    /// Bytes `from..to`, or nothing where they do not exist (which no caller reaches).
    pub(super) fn bytes(&self, from: usize, to: usize) -> &'a [u8] {
        self.data.get(from..to).unwrap_or(&[])
    }
}

/// How many leading bits of `a` and `b` agree, counted from byte `from` on (earlier bytes are known
/// to agree), at most `limit`; both have that many.
#[inline]
pub(super) fn common_bits(a: &[u8], b: &[u8], from: usize, limit: u32) -> u32 {
    if let Some(bits) = common_at_once(a, b) {
        return bits.min(limit);
    }
    let mut bits = from as u32 * 8;
    for (x, y) in a.iter().zip(b).skip(from) {
        if bits >= limit {
            break;
        }
        let diff = x ^ y;
        if diff != 0 {
            bits += diff.leading_zeros();
            break;
        }
        bits += 8;
    }
    bits.min(limit)
}

/// How many leading bits of `a`, the data of an entry, and of the key data `b` agree, at least, if
/// they are addresses or what is stored of these, which are compared in one step. If all of `a`
/// agrees, the result may be larger than its size.
#[inline(always)]
fn common_at_once(a: &[u8], b: &[u8]) -> Option<u32> {
    if let (Ok(a), Ok(b)) = (a.try_into(), b.try_into()) {
        return Some((u32::from_be_bytes(a) ^ u32::from_be_bytes(b)).leading_zeros());
    }
    if let (Ok(a), Ok(b)) = (a.try_into(), b.try_into()) {
        return Some((u64::from_be_bytes(a) ^ u64::from_be_bytes(b)).leading_zeros());
    }
    if let Ok(b) = b.try_into() {
        let b = u128::from_be_bytes(b);
        if let Ok(a) = a.try_into() {
            return Some((u128::from_be_bytes(a) ^ b).leading_zeros());
        }
        if let Ok(a) = a.try_into() {
            return Some((first_bytes(a) ^ (b >> 64) as u64).leading_zeros());
        }
    }
    if let (Ok(a), Some(b)) = (a.try_into(), b.first_chunk()) {
        return Some((first_bytes(a) ^ first_bytes(b)).leading_zeros());
    }
    None
}

/// Six bytes, from the highest bit on.
#[inline]
fn first_bytes(bytes: &[u8; SHORT]) -> u64 {
    let [a, b, c, d, e, f] = *bytes;
    u64::from_be_bytes([a, b, c, d, e, f, 0, 0])
}

/// Whether the first `bits` bits of `a`, which has that many, and of `b` agree; bytes before `from`
/// are known to agree.
#[inline(always)]
pub(super) fn agree(a: &[u8], b: &[u8], from: usize, bits: u32) -> bool {
    if let Some(common) = common_at_once(a, b) {
        return common >= bits;
    }
    let (whole, rest) = ((bits / 8) as usize, bits % 8);
    if from < whole && a.get(from..whole) != b.get(from..whole) {
        return false;
    }
    if rest == 0 || whole < from {
        return true;
    }
    match (a.get(whole), b.get(whole)) {
        (Some(x), Some(y)) => (x ^ y) >> (8 - rest) == 0,
        _ => false,
    }
}
