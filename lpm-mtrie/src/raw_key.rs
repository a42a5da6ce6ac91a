// SPDX-License-Identifier: MIT OR Apache-2.0
//! Keys as bpf(2) takes them, their order in the map, and positions between them.
//!
//! A key is a 32-bit prefixlen in machine byte order and the data. The map's
//! order is post-order: a prefix follows those that it covers, and the branch
//! of bit 0 comes before that of bit 1.
//!
//! ```text
//! 192.168.0.0/24 < 192.168.1.0/24 < 192.168.128.0/24 < 192.168.0.0/16
//! ```

use std::cmp::Ordering;

/// A prefix in the layout of `struct bpf_lpm_trie_key_u8`. Bits beyond the
/// length are zero, so that equal prefixes are equal bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawKey(Vec<u8>);

impl RawKey {
    /// The first `len` bits of `data`, in a key with `data_size` bytes of data; `None` if that has
    /// fewer bits.
    pub fn new(data: &[u8], len: u32, data_size: usize) -> Option<Self> {
        if u64::from(len) > data_size as u64 * 8 {
            return None;
        }
        let mut bytes = vec![0; 4 + data_size];
        let given = data.len().min(data_size);
        bytes[4..4 + given].copy_from_slice(&data[..given]);
        let mut key = Self(bytes);
        key.shorten(len);
        Some(key)
    }

    /// A key that the kernel wrote.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut key = Self(bytes.to_vec());
        key.shorten(key.len());
        key
    }

    /// The prefix that covers all others.
    pub fn root(data_size: usize) -> Self {
        Self(vec![0; 4 + data_size])
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn len(&self) -> u32 {
        u32::from_ne_bytes([self.0[0], self.0[1], self.0[2], self.0[3]])
    }

    pub fn data(&self) -> &[u8] {
        &self.0[4..]
    }

    fn bits(&self) -> u32 {
        self.data().len() as u32 * 8
    }

    /// Truncates it to its first `len` bits.
    pub fn shorten(&mut self, len: u32) {
        self.0[..4].copy_from_slice(&len.to_ne_bytes());
        let whole = len as usize / 8;
        for (n, byte) in self.0[4..].iter_mut().enumerate().skip(whole) {
            *byte &= if n == whole { !(0xff >> (len % 8)) } else { 0 };
        }
    }

    /// Its first `len` bits, as a separate prefix.
    pub fn shortened(&self, len: u32) -> Self {
        let mut key = self.clone();
        key.shorten(len);
        key
    }

    /// Whether `other` begins with all bits of `self`.
    pub fn covers(&self, other: &Self) -> bool {
        self.len() <= other.len() && self.common_bits(other) >= self.len()
    }

    /// The position right before the first prefix that `self` covers; `None`
    /// where that is the start of the map.
    ///
    /// Without its trailing zeros `self` ends in a 1, and what it covers comes first in the branch
    /// of that 1. The sibling branch of 0 comes right before, and its last position is the prefix
    /// at its top.
    pub fn before_subtree(&self) -> Option<Self> {
        let last = (0..self.len()).rev().find(|bit| self.bit(*bit))?;
        let mut key = self.shortened(last + 1);
        key.flip(last);
        Some(key)
    }

    /// The position right before `self`: the top of its branch of 1.
    pub fn before(&self) -> Option<Self> {
        let len = self.len();
        if len >= self.bits() {
            return self.before_subtree();
        }
        let mut key = self.clone();
        key.0[..4].copy_from_slice(&(len + 1).to_ne_bytes());
        key.flip(len);
        Some(key)
    }

    fn bit(&self, bit: u32) -> bool {
        self.data()[bit as usize / 8] & 0x80 >> (bit % 8) != 0
    }

    fn flip(&mut self, bit: u32) {
        self.0[4 + bit as usize / 8] ^= 0x80 >> (bit % 8);
    }

    /// How many leading bits of the data agree.
    fn common_bits(&self, other: &Self) -> u32 {
        let mut bits = 0;
        for (a, b) in self.data().iter().zip(other.data()) {
            let same = (a ^ b).leading_zeros();
            bits += same;
            if same < 8 {
                break;
            }
        }
        bits
    }
}

impl Ord for RawKey {
    fn cmp(&self, other: &Self) -> Ordering {
        let common = self.common_bits(other);
        if common >= self.len().min(other.len()) {
            return other.len().cmp(&self.len());
        }
        self.bit(common).cmp(&other.bit(common))
    }
}

impl PartialOrd for RawKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All prefixes of up to `bits` bits in post-order, by walking the tree.
    fn post_order(bits: u32) -> Vec<RawKey> {
        fn visit(key: RawKey, bits: u32, out: &mut Vec<RawKey>) {
            if key.len() < bits {
                let mut zero = key.clone();
                zero.0[..4].copy_from_slice(&(key.len() + 1).to_ne_bytes());
                let mut one = zero.clone();
                one.flip(key.len());
                visit(zero, bits, out);
                visit(one, bits, out);
            }
            out.push(key);
        }
        let mut out = vec![];
        visit(RawKey::root(bits as usize / 8), bits, &mut out);
        out
    }

    #[test]
    fn the_order_is_that_of_a_walk_of_the_tree() {
        let walked = post_order(8);
        assert_eq!(walked.len(), 511);
        let mut sorted = walked.clone();
        sorted.reverse();
        sorted.sort();
        assert_eq!(sorted, walked);
        assert!(walked.windows(2).all(|pair| pair[0] < pair[1]));
    }

    /// The entries after a position, in a map that holds all prefixes.
    fn after(all: &[RawKey], position: Option<&RawKey>) -> usize {
        position.map_or(0, |position| {
            all.iter().position(|key| key == position).unwrap() + 1
        })
    }

    #[test]
    fn the_position_before_a_prefix_is_right_before_it() {
        for (bits, step) in [(8, 1), (16, 997)] {
            let all = post_order(bits);
            for (n, key) in all.iter().enumerate().step_by(step) {
                assert_eq!(after(&all, key.before().as_ref()), n, "{key:?}");
            }
        }
    }

    #[test]
    fn the_position_before_a_subtree_is_right_before_its_first_prefix() {
        let all = post_order(8);
        for key in &all {
            let first = all.iter().position(|other| key.covers(other)).unwrap();
            let position = key.before_subtree();
            assert_eq!(after(&all, position.as_ref()), first, "{key:?}");
            // And what it covers is contiguous, up to itself.
            let last = all.iter().position(|other| other == key).unwrap();
            let covered = all.iter().filter(|other| key.covers(other)).count();
            assert_eq!(last - first + 1, covered, "{key:?}");
        }
    }

    #[test]
    fn positions_hold_in_a_map_with_gaps() {
        // Whatever is in the map, the first entry above the position is the first covered one.
        let all = post_order(8);
        let some: Vec<_> = all.iter().step_by(3).collect();
        for key in &all {
            let position = key.before_subtree();
            let next = some.iter().find(|entry| position.as_ref() < Some(entry));
            let first = some.iter().find(|entry| key.covers(entry));
            if let Some(first) = first {
                assert_eq!(next, Some(first), "{key:?}");
            } else {
                assert!(next.is_none_or(|next| !key.covers(next)), "{key:?}");
            }
        }
    }

    #[test]
    fn bits_beyond_the_length_are_cleared() {
        let key = RawKey::new(&[10, 0xff, 0xff, 0xff], 12, 4).unwrap();
        assert_eq!(key.data(), [10, 0xf0, 0, 0]);
        assert_eq!(RawKey::from_bytes(key.bytes()), key);
        assert_eq!(RawKey::new(&[1; 4], 33, 4), None);
        assert_eq!(RawKey::new(&[0xab], 8, 4).unwrap().data(), [0xab, 0, 0, 0]);
        assert_eq!(RawKey::new(&[0xab; 4], 0, 4).unwrap(), RawKey::root(4));
    }
}
