// SPDX-License-Identifier: MIT OR Apache-2.0
//! Keys: a prefixlen and data, laid out as in `struct bpf_lpm_trie_key_u8`, and ordered
//! as LPM_TRIE walks them.

use std::cmp::Ordering;

/// A prefix. Equality and order depend only on the first `len` bits of `data`;
/// bits beyond belong to the key as written, not to the prefix.
#[derive(Clone, Debug)]
pub struct Prefix {
    pub len: u32,
    pub data: Vec<u8>,
}

impl Prefix {
    pub fn new(len: u32, data: &[u8]) -> Self {
        Self {
            len,
            data: data.to_vec(),
        }
    }

    pub fn from_key(key: &[u8]) -> Self {
        let (len, data) = key.split_at(4);
        Self::new(u32::from_ne_bytes([len[0], len[1], len[2], len[3]]), data)
    }

    /// The key in the form that bpf(2) takes.
    pub fn key(&self) -> Vec<u8> {
        let mut key = self.len.to_ne_bytes().to_vec();
        key.extend_from_slice(&self.data);
        key
    }

    /// Whether `other` starts with all bits of `self`.
    pub fn covers(&self, other: &Self) -> bool {
        self.len <= other.len && self.common_bits(other) >= self.len
    }

    /// The number of leading data bits that are equal.
    fn common_bits(&self, other: &Self) -> u32 {
        let mut bits = 0;
        for (a, b) in self.data.iter().zip(&other.data) {
            let same = (a ^ b).leading_zeros();
            bits += same;
            if same < 8 {
                break;
            }
        }
        bits
    }
}

/// Post-order: a prefix comes after those that it covers; otherwise the first
/// differing bit decides.
///
/// ```text
/// 192.168.0.0/24 < 192.168.1.0/24 < 192.168.128.0/24 < 192.168.0.0/16
/// ```
impl Ord for Prefix {
    fn cmp(&self, other: &Self) -> Ordering {
        let common = self.common_bits(other);
        if common >= self.len.min(other.len) {
            return other.len.cmp(&self.len);
        }
        let (byte, bit) = (common as usize / 8, 7 - common % 8);
        (self.data[byte] >> bit & 1).cmp(&(other.data[byte] >> bit & 1))
    }
}

impl PartialOrd for Prefix {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Prefix {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Prefix {}

/// An IPv4 prefix as a key.
pub fn v4(address: [u8; 4], len: u32) -> Vec<u8> {
    Prefix::new(len, &address).key()
}

/// Distinct addresses, scattered over the whole space.
pub fn scattered(n: u32) -> Vec<u8> {
    v4(n.wrapping_mul(0x9e37_79b1).to_be_bytes(), 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_the_one_in_the_kernels_comment() {
        let mut keys = [
            Prefix::new(16, &[192, 168, 0, 0]),
            Prefix::new(24, &[192, 168, 128, 0]),
            Prefix::new(24, &[192, 168, 1, 0]),
            Prefix::new(24, &[192, 168, 0, 0]),
        ];
        keys.sort();
        let text: Vec<_> = keys.iter().map(|key| (key.data[2], key.len)).collect();
        assert_eq!(text, [(0, 24), (1, 24), (128, 24), (0, 16)]);
    }

    #[test]
    fn bits_beyond_the_length_do_not_count() {
        assert_eq!(Prefix::new(8, &[10, 1]), Prefix::new(8, &[10, 255]));
        assert_ne!(Prefix::new(8, &[10, 1]), Prefix::new(9, &[10, 1]));
        assert!(Prefix::new(0, &[255, 255]).covers(&Prefix::new(16, &[0, 0])));
    }
}
