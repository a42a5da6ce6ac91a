// SPDX-License-Identifier: GPL-2.0
//! A count of changes, by which a lookup knows that what it saw was there at one moment.
//!
//! A lookup reads several words, and updates may come between. If it ends at a leaf that covers the
//! key, no more is needed: while that leaf was where it was found, the key had no longer match.
//! Otherwise its answer is put together from what it did not find below and what it found above.
//! Then the count must be what it was at the start, or the lookup starts again.
//!
//! The writer counts a change before it makes it. So a lookup that sees any of it, and began before
//! the count, sees the new count at its end. With the same count at both ends it has seen the
//! changes before all of it, and at most the last one it knew of was under way: the key's prefixes
//! were as before that change until a moment, and as after it from then on. That is one prefix more
//! or less, and each copy of a node has all the others, so what the lookup found was the longest
//! match before or after that moment.
//!
//! The count is never "odd": a lookup that interrupts the writer, as in an NMI, finds the same
//! count at both ends. A lookup starts again only if a writer counted a change meanwhile: some call
//! always gets on.

use super::sync::{fence, AtomicU64, Ordering};

/// Numbers of changes that were begun.
///
/// Written by each change and read by each lookup: nothing else is in its cache line, wherever that
/// begins.
#[repr(C)]
pub(super) struct Changes {
    before: [u64; 7],
    count: AtomicU64,
    after: [u64; 7],
}

impl Changes {
    #[cfg(not(loom))]
    pub(super) const fn new() -> Self {
        Self {
            before: [0; 7],
            count: AtomicU64::new(0),
            after: [0; 7],
        }
    }

    #[cfg(loom)]
    pub(super) fn new() -> Self {
        Self {
            before: [0; 7],
            count: AtomicU64::new(0),
            after: [0; 7],
        }
    }

    /// Counts the insertion or removal of a prefix, before it is made. The writer only.
    pub(super) fn begin(&self) {
        let count = self.count.load(Ordering::Relaxed);
        // Release: partner of the Acquire in `now`, for the changes before this one.
        self.count.store(count.wrapping_add(1), Ordering::Release);
        // Release: partner of the fence in `stand_at`. Who sees a store that follows sees the
        // count there.
        fence(Ordering::Release);
    }

    /// The count, at the start of a lookup.
    #[inline]
    pub(super) fn now(&self) -> u64 {
        // Acquire: partner of the Release in `begin`.
        self.count.load(Ordering::Acquire)
    }

    /// Whether no change was begun since the count was `start`, as far as the caller has seen.
    #[inline]
    pub(super) fn stand_at(&self, start: u64) -> bool {
        // Acquire: partner of the fence in `begin`.
        fence(Ordering::Acquire);
        self.count.load(Ordering::Relaxed) == start
    }
}
