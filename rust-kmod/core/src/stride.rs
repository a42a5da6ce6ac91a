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

use super::sync::{AtomicU64, Ordering::Relaxed};

/// 256 bits.
pub(super) type Bitmap = [u64; 4];

/// 256 bits, updated concurrently with readers; bits are unordered with respect to slots, and slots
/// are authoritative.
pub(super) struct SharedBitmap([AtomicU64; 4]);

/// Either of them, word by word.
pub(super) trait Words {
    /// The word of bit `index`.
    fn word(&self, index: u8) -> u64;
}

impl Words for Bitmap {
    #[inline]
    fn word(&self, index: u8) -> u64 {
        self[(index >> 6) as usize]
    }
}

impl Words for SharedBitmap {
    #[inline]
    fn word(&self, index: u8) -> u64 {
        self.0[(index >> 6) as usize].load(Relaxed)
    }
}

impl SharedBitmap {
    pub(super) fn new(map: Bitmap) -> Self {
        Self(map.map(AtomicU64::new))
    }

    pub(super) fn get(&self) -> Bitmap {
        [0, 64, 128, 192].map(|index| self.word(index))
    }

    /// Makes bit `index` what `value` says. The writer only.
    pub(super) fn change(&self, index: u8, value: bool) {
        change(&self.0[(index >> 6) as usize], index & 63, value);
    }
}

/// Makes bit `bit` (0 to 63) of `word` what `value` says. The writer only.
pub(super) fn change(word: &AtomicU64, bit: u8, value: bool) {
    let (old, mask) = (word.load(Relaxed), 1 << bit);
    word.store(if value { old | mask } else { old & !mask }, Relaxed);
}

/// `COVERING[b >> 3]`: the base indexes of length 0 to 5 that cover byte `b`, or any five bits.
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

#[inline]
pub(super) fn test(map: &impl Words, index: u8) -> bool {
    map.word(index) >> (index & 63) & 1 != 0
}

pub(super) fn set(map: &mut Bitmap, index: u8) {
    map[(index >> 6) as usize] |= 1 << (index & 63);
}

pub(super) fn unset(map: &mut Bitmap, index: u8) {
    map[(index >> 6) as usize] &= !(1 << (index & 63));
}

/// Set bits before `index` in its own word.
#[inline]
pub(super) fn below(map: &impl Words, index: u8) -> usize {
    (map.word(index) & ((1 << (index & 63)) - 1)).count_ones() as usize
}

/// Base index of the longest internal prefix that covers `byte`; 0: none.
///
/// Without branches, which could not be predicted.
#[inline]
pub(super) fn longest(internal: &impl Words, byte: u8) -> u8 {
    let (seven, six) = (128 | byte >> 1, 64 | byte >> 2);
    let shorter = longest_short(internal.word(0), byte >> 3);
    let upto_six = if test(internal, six) { six } else { shorter };
    if test(internal, seven) {
        seven
    } else {
        upto_six
    }
}

/// As [`longest`], in a word with the lengths 0 to 5, of those that cover the five bits `top`.
#[inline]
pub(super) fn longest_short(word: u64, top: u8) -> u8 {
    let covering = word & COVERING[(top & 31) as usize];
    // Index 0, which no prefix has, is set for none.
    63 - (covering | 1).leading_zeros() as u8
}

/// As [`longest`], among prefixes of at most `len` bits (0 to 7).
pub(super) fn longest_upto(internal: &impl Words, byte: u8, len: u32) -> u8 {
    let mut index = base_index(byte, len);
    while index > 0 && !test(internal, index) {
        index >>= 1;
    }
    index
}

/// The item after `after` (0: from the start) in post-order: longer before shorter, 0-branch before
/// 1-branch. 0: no more.
///
/// In post-order, items are sorted by the end of the range of bytes that they cover, the longer one
/// first where ends meet.
pub(super) fn following(internal: &impl Words, child: &impl Words, after: u32) -> u32 {
    // Shorter ones that end where `after` does: it is in their last branch.
    let mut shorter = after;
    while shorter > 1 && shorter & 1 != 0 {
        shorter >>= 1;
        if test(internal, shorter as u8) {
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
    let (mut best, mut best_end) = match next_in(child, from, 256) {
        Some(byte) => (256 + byte, byte),
        None => (0, u32::MAX),
    };
    for len in (0..8).rev() {
        // The first one of this length that ends at `from` or later.
        let first = (1 << len) + (from >> (8 - len));
        // None of the shorter lengths ends earlier.
        if from > 255 || (from | 255 >> len) >= best_end {
            break;
        }
        if let Some(index) = next_in(internal, first, 2 << len) {
            let end = ((index - (1 << len) + 1) << (8 - len)) - 1;
            if end < best_end {
                (best, best_end) = (index, end);
            }
        }
    }
    best
}

/// The first set bit from `at` on, before `end`.
fn next_in(map: &impl Words, mut at: u32, end: u32) -> Option<u32> {
    while at < end {
        let word = map.word(at as u8) >> (at & 63);
        if word != 0 {
            let found = at + word.trailing_zeros();
            return (found < end).then_some(found);
        }
        at = (at | 63) + 1;
    }
    None
}

/// The first set bit from `at` on, both bitmaps taken as one of 512 bits, the internal one first.
pub(super) fn next_bit(internal: &impl Words, child: &impl Words, mut at: u32) -> Option<u32> {
    while at < 512 {
        let word = if at < 256 {
            internal.word(at as u8)
        } else {
            child.word(at as u8)
        } >> (at & 63);
        if word != 0 {
            return Some(at + word.trailing_zeros());
        }
        at = (at | 63) + 1;
    }
    None
}
