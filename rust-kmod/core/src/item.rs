// SPDX-License-Identifier: GPL-2.0
//! Places within a node.

use super::stride::base_index;

/// A place within a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// Base index of a prefix that ends in the node.
    Internal(u8),
    /// Byte that leads to the rest.
    Child(u8),
}

impl Item {
    /// Where, in a node at `depth`, something with this data and prefixlen (at least 8 * depth)
    /// belongs.
    pub(super) fn of(data: &[u8], prefixlen: u32, depth: usize) -> Self {
        let byte = data.get(depth).copied().unwrap_or(0);
        if (prefixlen / 8) as usize == depth {
            Item::Internal(base_index(byte, prefixlen % 8))
        } else {
            Item::Child(byte)
        }
    }

    /// Its number among a node's 512 possible items: internal ones come first.
    #[inline]
    pub(super) fn number(self) -> u32 {
        match self {
            Item::Internal(index) => u32::from(index),
            Item::Child(byte) => 256 + u32::from(byte),
        }
    }

    /// The item with this number.
    pub(super) fn numbered(number: u32) -> Self {
        let index = (number & 255) as u8;
        if number < 256 {
            Item::Internal(index)
        } else {
            Item::Child(index)
        }
    }
}
