// SPDX-License-Identifier: GPL-2.0
//! What a trie holds, counted by its writer and read by anyone.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters; written by one writer at a time, so plain loads and stores do.
pub(super) struct Stats {
    len: AtomicU64,
    bytes: AtomicU64,
    wasteful: AtomicU64,
}

impl Stats {
    pub(super) const fn new() -> Self {
        Self {
            len: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            wasteful: AtomicU64::new(0),
        }
    }

    pub(super) fn len(&self) -> u64 {
        self.len.load(Relaxed)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// How many nodes are wasteful, see `tidy.rs`.
    pub(super) fn wasteful(&self) -> u64 {
        self.wasteful.load(Relaxed)
    }

    /// A node was wasteful or not, and is now or not.
    pub(super) fn became_wasteful(&self, before: bool, after: bool) {
        self.wasteful_more(i64::from(after) - i64::from(before));
    }

    pub(super) fn wasteful_more(&self, change: i64) {
        let count = self.wasteful().wrapping_add_signed(change);
        self.wasteful.store(count, Relaxed);
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
