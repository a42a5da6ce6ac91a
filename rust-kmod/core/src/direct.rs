// SPDX-License-Identifier: GPL-2.0
//! The directly indexed root: a node with a stride of 16 bits that has all of its slots, in front
//! of what is below.
//!
//! ```text
//! slots     by base index, as in a node: 1 to 65,535 for prefixes of 0 to 15 bits, and from 65,536
//!           on what begins with the 16 bits that remain
//! short     which prefixes of 0 to 15 bits there are, in words of six lengths: word 1 has those of
//!           0 to 3 bits, 16 + (the first 4 bits) of 4 to 9, 1024 + (the first 10) of 10 to 15;
//!           in each the bits are base indexes again, below the bits that lead to the word
//! ends      bit e: an item covers the values up to e, and not e + 1
//! ```
//!
//! It spares the nodes of the first two bytes, and takes a megabyte, so it is for maps made for
//! many entries. `short` is for lookups, `ends` for walks; both are hints to readers, who find
//! in the slots what is there.

use super::{
    entry::EntryRef,
    prefix::Prefix,
    slot::{Link, Raw, Slot},
    stride::{change, longest_short},
    sync::{AtomicU64, Ordering::Relaxed},
    Trie,
};
use core::alloc::Layout;

/// Bytes of a key that the index is made of.
#[cfg(not(loom))]
pub(super) const START: usize = 2;
/// Fewer slots, each of which the model checker follows.
#[cfg(loom)]
pub(super) const START: usize = 1;

const STRIDE: u32 = Direct::STRIDE;
const INDEXES: usize = 1 << STRIDE;

/// How many bits lead to the words of `Direct::short`.
#[cfg(not(loom))]
const LEVELS: [u32; 3] = [10, 4, 0];
#[cfg(loom)]
const LEVELS: [u32; 2] = [2, 0];

/// All zeroes are an empty one.
#[repr(C)]
pub(super) struct Direct {
    slots: [Slot; 2 * INDEXES],
    short: [AtomicU64; 2 << LEVELS[0]],
    ends: [AtomicU64; INDEXES / 64],
}

/// The index of what begins with the first two bytes of `data`, of which a short key has one.
#[inline]
pub(super) fn index(data: &[u8]) -> usize {
    let first = match data {
        [high, low, ..] => usize::from(*high) << 8 | usize::from(*low),
        [high] => usize::from(*high) << 8,
        [] => 0,
    };
    first >> (16 - STRIDE)
}

impl Direct {
    /// Bits of a key that the index is made of.
    pub(super) const STRIDE: u32 = 8 * START as u32;

    /// The last index covered by the item for prefixes of `len` bits that covers `index`.
    pub(super) fn end(index: usize, len: u32) -> usize {
        index | (INDEXES - 1) >> len.min(STRIDE)
    }

    /// The slot of the item of `len` bits (0 to 16) that covers `index`.
    #[inline]
    pub(super) fn item(&self, index: usize, len: u32) -> &Slot {
        &self.slots[(1 << len | index >> (STRIDE - len)) % (2 * INDEXES)]
    }

    /// The slot of what begins with the bits of `index`.
    #[inline]
    pub(super) fn child(&self, index: usize) -> &Slot {
        &self.slots[INDEXES | (index % INDEXES)]
    }

    /// The word of `short` that `bits` bits of `index` lead to.
    #[inline]
    fn short_word(&self, index: usize, bits: u32) -> &AtomicU64 {
        &self.short[(1 << bits | index >> (STRIDE - bits)) % (2 << LEVELS[0])]
    }

    /// The longest prefix of at most 15 bits that covers `index`.
    #[inline]
    pub(super) fn longest(&self, index: usize) -> Option<EntryRef<'_>> {
        for bits in LEVELS {
            let word = self.short_word(index, bits).load(Relaxed);
            let found = longest_short(word, (index >> (STRIDE - 5 - bits)) as u8);
            if found != 0 {
                let len = bits + found.ilog2();
                return match self.item(index, len).load() {
                    Link::Entry(entry, _) => Some(entry),
                    // It was removed meanwhile.
                    _ => self.longest_upto(index, len),
                };
            }
        }
        None
    }

    /// As [`longest`](Self::longest), of at most `len` bits (0 to 15).
    #[cold]
    pub(super) fn longest_upto(&self, index: usize, len: u32) -> Option<EntryRef<'_>> {
        (0..=len)
            .rev()
            .find_map(|len| match self.item(index, len).load() {
                Link::Entry(entry, _) => Some(entry),
                _ => None,
            })
    }

    /// The items of at most `len` bits (0 to 16) that end at `index`, the longest first.
    pub(super) fn ending_at(&self, index: usize, len: u32) -> impl Iterator<Item = Link<'_>> {
        let shortest = STRIDE.saturating_sub(index.trailing_ones());
        (shortest..=len)
            .rev()
            .map(move |len| self.item(index, len).load())
    }

    /// The first index that is `from` or more and at which items end.
    pub(super) fn end_from(&self, from: usize) -> Option<usize> {
        let mut mask = u64::MAX << (from % 64);
        for (i, word) in self.ends.iter().enumerate().skip(from / 64) {
            let bits = word.load(Relaxed) & mask;
            if bits != 0 {
                return Some(64 * i + bits.trailing_zeros() as usize);
            }
            mask = u64::MAX;
        }
        None
    }

    /// Puts `raw` into the slot of the item of `len` bits (0 to 16). The writer only.
    fn publish(&self, index: usize, len: u32, raw: Raw) {
        self.item(index, len).publish(raw);
        if let Some(bits) = LEVELS.into_iter().find(|bits| *bits <= len && len < STRIDE) {
            let within = 1 << (len - bits) | (index >> (STRIDE - len)) & ((1 << (len - bits)) - 1);
            change(self.short_word(index, bits), within as u8, !raw.is_vacant());
        }
        let end = Self::end(index, len);
        let any = self
            .ending_at(end, STRIDE)
            .any(|link| !matches!(link, Link::Vacant));
        change(&self.ends[end / 64], (end % 64) as u8, any);
    }

    pub(super) fn slots_mut(&mut self) -> &mut [Slot] {
        for word in self.short.iter().chain(&self.ends) {
            word.store(0, Relaxed);
        }
        &mut self.slots
    }
}

impl Trie {
    /// What [`with_direct_root`](Self::with_direct_root) needs.
    pub const DIRECT_LAYOUT: Layout = Layout::new::<Direct>();

    /// An empty trie with a directly indexed root: fewer steps a lookup, for a megabyte, which
    /// `bytes()` counts.
    ///
    /// # Safety
    ///
    /// `block` has [`DIRECT_LAYOUT`](Self::DIRECT_LAYOUT) and is zeroed. It is the trie's until
    /// that is dropped; then it is the caller's to free.
    #[cfg(not(loom))]
    pub const unsafe fn with_direct_root(
        geometry: super::Geometry,
        block: core::ptr::NonNull<u8>,
    ) -> Self {
        let root = Slot::new(Raw::VACANT);
        Self {
            geometry,
            root,
            leftover: Slot::new(Raw::VACANT),
            direct: Some(block.cast()),
            changes: super::changes::Changes::new(),
            stats: super::stats::Stats::new(),
        }
    }

    /// As above.
    ///
    /// # Safety
    ///
    /// As above, except that the block need not be zeroed: the model checker's words are not valid
    /// as zeroes.
    #[cfg(loom)]
    pub unsafe fn with_direct_root(
        geometry: super::Geometry,
        block: core::ptr::NonNull<u8>,
    ) -> Self {
        use core::array::from_fn;
        let direct = block.cast::<Direct>();
        // SAFETY: the block is the trie's, and has the layout.
        unsafe {
            direct.write(Direct {
                slots: from_fn(|_| Slot::new(Raw::VACANT)),
                short: from_fn(|_| AtomicU64::new(0)),
                ends: from_fn(|_| AtomicU64::new(0)),
            });
        }
        let mut trie = Self::new(geometry);
        trie.direct = Some(direct);
        trie
    }

    #[inline]
    pub(super) fn direct(&self) -> Option<&Direct> {
        // SAFETY: by the contract of `with_direct_root` the block is a valid Direct (zeroes are
        // null slots and empty bitmaps) for as long as self is; it is borrowed mutably only
        // through `&mut self`.
        self.direct.map(|direct| unsafe { direct.as_ref() })
    }

    pub(super) fn direct_mut(&mut self) -> Option<&mut Direct> {
        // SAFETY: as for `direct`, and `&mut self` is exclusive.
        self.direct.map(|mut direct| unsafe { direct.as_mut() })
    }

    /// The slot that the way to `prefix` begins at, and how many bytes lead to that. A prefix that
    /// is too short for a direct root's children has a slot of its own.
    pub(super) fn entrance(&self, prefix: Prefix<'_>) -> (&Slot, usize) {
        let Some(direct) = self.direct() else {
            return (&self.root, 0);
        };
        let (index, depth) = (index(prefix.data()), prefix.depth().min(START));
        (direct.item(index, prefix.prefixlen().min(STRIDE)), depth)
    }

    /// Publishes an entry in the empty entrance to `prefix`, or that it is empty now. The writer
    /// only.
    pub(super) fn publish_entrance(&self, prefix: Prefix<'_>, raw: Raw) {
        match self.direct() {
            Some(direct) => {
                let len = prefix.prefixlen().min(STRIDE);
                direct.publish(index(prefix.data()), len, raw);
            }
            None => self.root.publish(raw),
        }
    }
}
