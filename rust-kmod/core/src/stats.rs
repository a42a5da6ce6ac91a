// SPDX-License-Identifier: GPL-2.0
//! What a trie holds, counted by its writer and read by anyone.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How many updates look for what a writer left to later ones, see `tidy.rs`.
const ATTENTION: u64 = 1024;

/// By how many entries the table grows from one promotion of a node to the next, see `insert.rs`.
const PROMOTE: u64 = 1024;

/// Counters; written by one writer at a time, so plain loads and stores suffice.
pub(super) struct Stats {
    len: AtomicU64,
    bytes: AtomicU64,
    attention: AtomicU64,
    /// The number of entries at the last promotion, or less if most have been removed since.
    promoted: AtomicU64,
}

impl Stats {
    pub(super) const fn new() -> Self {
        Self {
            len: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            attention: AtomicU64::new(0),
            promoted: AtomicU64::new(0),
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
        let len = self.len().wrapping_add_signed(change);
        self.len.store(len, Relaxed);
        if len < self.promoted.load(Relaxed) / 2 {
            self.promoted.store(len, Relaxed);
        }
    }

    /// Whether the table has grown by [`PROMOTE`] entries since this last returned `true`.
    pub(super) fn grown(&self) -> bool {
        let grown = self.len() >= self.promoted.load(Relaxed) + PROMOTE;
        if grown {
            self.promoted.store(self.len(), Relaxed);
        }
        grown
    }

    pub(super) fn grew(&self, bytes: u64) {
        self.bytes.store(self.bytes().wrapping_add(bytes), Relaxed);
    }

    pub(super) fn shrank(&self, bytes: u64) {
        self.bytes.store(self.bytes().wrapping_sub(bytes), Relaxed);
    }
}
