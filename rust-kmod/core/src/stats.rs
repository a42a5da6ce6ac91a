// SPDX-License-Identifier: GPL-2.0
//! What a trie holds, counted by its writer and read by anyone.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How many updates look for what a writer left to later ones, see `tidy.rs`.
const ATTENTION: u64 = 1024;

/// Counters; written by one writer at a time, so plain loads and stores suffice.
pub(super) struct Stats {
    len: AtomicU64,
    bytes: AtomicU64,
    attention: AtomicU64,
}

impl Stats {
    pub(super) const fn new() -> Self {
        Self {
            len: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            attention: AtomicU64::new(0),
        }
    }

    pub(super) fn len(&self) -> u64 {
        self.len.load(Relaxed)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// A writer left something to later ones for lack of memory: the next [`ATTENTION`] ones look
    /// for it.
    pub(super) fn attend(&self) {
        self.attention.store(ATTENTION, Relaxed);
    }

    /// Whether to look for what others left.
    pub(super) fn attention(&self) -> bool {
        let left = self.attention.load(Relaxed);
        self.attention.store(left.saturating_sub(1), Relaxed);
        left > 0
    }

    pub(super) fn entries(&self, change: i64) {
        self.len
            .store(self.len().wrapping_add_signed(change), Relaxed);
    }

    pub(super) fn grew(&self, bytes: u64) {
        self.bytes.store(self.bytes().wrapping_add(bytes), Relaxed);
    }

    pub(super) fn shrank(&self, bytes: u64) {
        self.bytes.store(self.bytes().wrapping_sub(bytes), Relaxed);
    }
}
