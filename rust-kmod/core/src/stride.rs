// SPDX-License-Identifier: GPL-2.0
//! Arithmetic within one stride of 8 bits: no pointers, only bitmaps.
//!
//! Inside a node, a prefix of `len` bits (0 to 7) with bits `v` has the base index `1 << len | v`;
//! it is the position in a heap-ordered binary tree. Children take the heap's last level: byte `b`
//! is at `256 + b`.
//!
//! ```text
//! base index      1            len 0   the node's own path
//!               2   3          len 1
//!              4 5 6 7         len 2
//!              ...
//!           128 ... 255        len 7   internal bitmap, words 2 and 3
//!           256 ... 511        len 8   child bitmap, words 0 to 3
//! ```
//!
//! Base index 0 is no prefix; it stands for "none".

/// 256 bits.
pub(super) type Bitmap = [u64; 4];

/// What [`following`] needs to know about a node.
pub(super) trait Items {
    /// Whether there is any internal prefix.
    fn has_internals(&self) -> bool;

    /// Whether there is an internal prefix with this base index.
    fn has_internal(&self, index: u8) -> bool;

    /// The first base index of an internal prefix from `from` on, before `end`.
    fn next_internal(&self, from: u32, end: u32) -> Option<u32>;

    /// The first byte of a child from `from` on.
    fn next_child(&self, from: u32) -> Option<u32>;
}

/// `COVERING[b >> 3]`: the base indexes of length 0 to 5 that cover byte `b`.
static COVERING: [u64; 32] = covering();

const fn covering() -> [u64; 32] {
    let mut masks = [0u64; 32];
    let mut top = 0;
    while top < 32 {
        let mut index = 32 | top;
        while index > 0 {
            masks[top] |= 1 << index;
            index >>= 1;
        }
        top += 1;
    }
    masks
}

/// Base index of the first `len` bits (0 to 7) of `byte`.
pub(super) fn base_index(byte: u8, len: u32) -> u8 {
    ((1u32 << (len & 7)) | (u32::from(byte) >> (8 - (len & 7)))) as u8
}

/// The first byte that the internal prefix with this base index covers.
pub(super) fn first_byte(index: u8) -> u8 {
    // Without the highest bit that is set.
    (u32::from(index) << (index.leading_zeros() + 1)) as u8
}

#[inline]
pub(super) fn test(map: &Bitmap, index: u8) -> bool {
    map[(index >> 6) as usize] >> (index & 63) & 1 != 0
}

pub(super) fn set(map: &mut Bitmap, index: u8) {
    map[(index >> 6) as usize] |= 1 << (index & 63);
}

#[inline]
pub(super) fn is_empty(map: &Bitmap) -> bool {
    map[0] | map[1] | map[2] | map[3] == 0
}

/// Set bits before `index` in its own word.
#[inline]
pub(super) fn below(map: &Bitmap, index: u8) -> usize {
    (map[(index >> 6) as usize] & ((1 << (index & 63)) - 1)).count_ones() as usize
}

/// Base index of the longest internal prefix that covers `byte`; 0: none.
///
/// Without branches, which could not be predicted.
#[inline]
pub(super) fn longest(internal: &Bitmap, byte: u8) -> u8 {
    let (seven, six) = (128 | byte >> 1, 64 | byte >> 2);
    let covering = internal[0] & COVERING[(byte >> 3) as usize];
    // Index 0, which no prefix has, is set for none.
    let shorter = 63 - (covering | 1).leading_zeros() as u8;
    let upto_six = if test(internal, six) { six } else { shorter };
    if test(internal, seven) {
        seven
    } else {
        upto_six
    }
}

/// Base index of the longest internal prefix among `index` and those that cover it; 0: none.
pub(super) fn longest_from(internal: &Bitmap, mut index: u8) -> u8 {
    while index > 0 && !test(internal, index) {
        index >>= 1;
    }
    index
}

/// The item after `after` (0: from the start) in post-order: longer before shorter, 0-branch before
/// 1-branch. 0: no more.
///
/// In post-order, items are sorted by the end of the range of bytes that they cover, the longer one
/// first if the ends are equal.
pub(super) fn following(items: &impl Items, after: u32) -> u32 {
    let no_internals = !items.has_internals();
    // Shorter ones that end where `after` does: it is in their last branch.
    let mut shorter = if no_internals { 0 } else { after };
    while shorter > 1 && shorter & 1 != 0 {
        shorter >>= 1;
        if items.has_internal(shorter as u8) {
            return shorter;
        }
    }
    let from = match after {
        0 => 0,
        _ => {
            let len = after.ilog2();
            (after - (1 << len) + 1) << (8 - len)
        }
    };
    let (mut best, mut best_end) = match items.next_child(from) {
        Some(byte) => (256 + byte, byte),
        None => (0, u32::MAX),
    };
    if no_internals {
        return best;
    }
    for len in (0..8).rev() {
        // The first one of this length that ends at `from` or later.
        let first = (1 << len) + (from >> (8 - len));
        // None of the shorter lengths ends earlier.
        if from > 255 || (from | 255 >> len) >= best_end {
            break;
        }
        if let Some(index) = items.next_internal(first, 2 << len) {
            let end = ((index - (1 << len) + 1) << (8 - len)) - 1;
            if end < best_end {
                (best, best_end) = (index, end);
            }
        }
    }
    best
}

/// The first set bit from `at` on, before `end`.
pub(super) fn next_in(map: &Bitmap, mut at: u32, end: u32) -> Option<u32> {
    while at < end {
        let word = map[(at >> 6 & 3) as usize] >> (at & 63);
        if word != 0 {
            let found = at + word.trailing_zeros();
            return (found < end).then_some(found);
        }
        at = (at | 63) + 1;
    }
    None
}
