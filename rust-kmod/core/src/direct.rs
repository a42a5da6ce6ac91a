// SPDX-License-Identifier: GPL-2.0
//! The directly indexed root: a slot for each value of a key's first 16 bits, in front of the trie.
//!
//! Prefixes of 16 bits or more are below the slot of their first two bytes, in the same structure
//! that hangs below any child slot of a node at depth 1. Shorter ones, of which tables have few,
//! stay in the trie below the root slot, which is asked when nothing longer covers a key. It costs
//! half a megabyte, so it is for maps that are made for many entries.
//!
//! For walks, a bitmap says which slots to look at.

use super::{
    prefix::Prefix,
    slot::{Raw, Slot},
    Trie,
};
use core::{
    alloc::Layout,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// Bytes of a key that the index is made of.
pub(super) const START: usize = 2;

const SLOTS: usize = 1 << (8 * START);

/// All zeroes are an empty one.
#[repr(C)]
pub(super) struct Direct {
    slots: [Slot; SLOTS],
    occupied: [AtomicU64; SLOTS / 64],
}

/// The index of what begins with the first two bytes of `data`.
pub(super) fn index(data: &[u8]) -> usize {
    match data {
        [high, low, ..] => usize::from(*high) << 8 | usize::from(*low),
        _ => 0,
    }
}

impl Direct {
    #[inline]
    pub(super) fn slot(&self, index: usize) -> &Slot {
        &self.slots[index % SLOTS]
    }

    /// The first occupied index that is `from` or more.
    pub(super) fn occupied_from(&self, from: usize) -> Option<usize> {
        let mut mask = u64::MAX << (from % 64);
        for (i, word) in self.occupied.iter().enumerate().skip(from / 64) {
            // Relaxed: a hint; what the slot leads to is ordered by its own load.
            let bits = word.load(Relaxed) & mask;
            if bits != 0 {
                return Some(64 * i + bits.trailing_zeros() as usize);
            }
            mask = u64::MAX;
        }
        None
    }

    pub(super) fn slots_mut(&mut self) -> &mut [Slot] {
        for word in &mut self.occupied {
            *word.get_mut() = 0;
        }
        &mut self.slots
    }
}

impl Trie {
    /// What [`with_direct_root`](Self::with_direct_root) needs.
    pub const DIRECT_LAYOUT: Layout = Layout::new::<Direct>();

    /// An empty trie with a directly indexed root: fewer steps a lookup, for half a megabyte, which
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
            direct: Some(block.cast()),
            stats: super::stats::Stats::new(),
        }
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

    /// The slot that the way to `prefix` begins at, and how many bytes lead to that.
    pub(super) fn entrance(&self, prefix: Prefix<'_>) -> (&Slot, usize) {
        match self.direct() {
            Some(direct) if prefix.depth() >= START => (direct.slot(index(prefix.data())), START),
            _ => (&self.root, 0),
        }
    }

    /// Publishes an entry in the empty entrance to `prefix`, or that it is empty now. The writer
    /// only.
    pub(super) fn publish_entrance(&self, prefix: Prefix<'_>, raw: Raw) {
        let (slot, start) = self.entrance(prefix);
        slot.publish(raw);
        if let (Some(direct), START) = (self.direct(), start) {
            let index = index(prefix.data());
            if let Some(word) = direct.occupied.get(index / 64) {
                let bit = 1 << (index % 64);
                let old = word.load(Relaxed);
                word.store(
                    if raw.is_vacant() {
                        old & !bit
                    } else {
                        old | bit
                    },
                    Relaxed,
                );
            }
        }
    }
}
