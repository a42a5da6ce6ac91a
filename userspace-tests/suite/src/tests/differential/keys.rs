// SPDX-License-Identifier: MIT OR Apache-2.0
//! Random keys in the shapes that exercise different parts of a trie.
//!
//! Data beyond the prefixlen is random, too: a key may have such bits, and a walk returns them.

use crate::{prefix::Prefix, random::Random};

/// How the keys of a stream are related.
#[derive(Clone, Copy, Debug)]
pub enum Spread {
    /// They nest, repeat and branch at every depth: mutations of a few stems.
    Nested,
    /// They fill a range of a few thousand prefixes.
    Dense,
    /// They have little in common.
    Sparse,
    /// Lengths next to byte boundaries and limits, data of all zeros and ones.
    Edges,
}

/// Bits that differ in a dense stream.
const DENSE: usize = 10;

pub struct Keys {
    spread: Spread,
    bits: usize,
    stems: Vec<Vec<u8>>,
    /// Where the differing bits of a dense stream start.
    from: usize,
}

impl Keys {
    /// Keys with this many bytes of data.
    pub fn new(random: &mut Random, spread: Spread, data: usize) -> Self {
        let bits = data * 8;
        Self {
            spread,
            bits,
            stems: (0..4).map(|_| random.bytes(data)).collect(),
            from: random.below(bits.saturating_sub(DENSE) + 1),
        }
    }

    pub fn draw(&mut self, random: &mut Random) -> Vec<u8> {
        let (len, data) = match self.spread {
            Spread::Nested => self.nested(random),
            Spread::Dense => self.dense(random),
            Spread::Sparse => (random.below(self.bits + 1), random.bytes(self.bits / 8)),
            Spread::Edges => self.edge(random),
        };
        let len = match random.below(20) {
            0 => 0,
            1..4 => self.bits,
            // One too many: each operation refuses it in its own way.
            4 => self.bits + 1,
            _ => len,
        };
        Prefix::new(len as u32, &data).key()
    }

    fn nested(&mut self, random: &mut Random) -> (usize, Vec<u8>) {
        let mut data = random.pick(&self.stems).clone();
        for _ in 0..random.below(3) {
            flip(&mut data, random.below(self.bits));
        }
        if random.below(50) == 0 {
            let replaced = random.below(self.stems.len());
            self.stems[replaced] = data.clone();
        }
        (random.below(self.bits + 1), data)
    }

    fn dense(&self, random: &mut Random) -> (usize, Vec<u8>) {
        let mut data = self.stems[0].clone();
        let to = (self.from + DENSE).min(self.bits);
        for bit in self.from..to {
            if random.below(2) == 0 {
                flip(&mut data, bit);
            }
        }
        (self.from + random.below(to - self.from + 1), data)
    }

    fn edge(&self, random: &mut Random) -> (usize, Vec<u8>) {
        let mut data = vec![*random.pick(&[0, 1, 0x7f, 0x80, 0xff]); self.bits / 8];
        if random.below(2) == 0 {
            let border = random.below(self.bits / 8) * 8;
            flip(&mut data, (border + random.below(2)).saturating_sub(1));
        }
        let border = (random.below(self.bits / 8) + 1) * 8;
        let len = match random.below(8) {
            0 => *random.pick(&[self.bits + 8, 1 << 16, 1 << 31, u32::MAX as usize]),
            1 => 1,
            2 => self.bits - 1,
            3 | 4 => border - 1,
            5 => (border + 1).min(self.bits),
            _ => border,
        };
        (len, data)
    }
}

fn flip(data: &mut [u8], bit: usize) {
    data[bit / 8] ^= 0x80 >> (bit % 8);
}
