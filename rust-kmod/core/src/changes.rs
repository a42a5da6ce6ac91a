// SPDX-License-Identifier: GPL-2.0
//! A count of changes, which tells a lookup whether what it saw was all there at one moment; and
//! what becomes of readers whom the writer disturbs.
//!
//! A lookup reads several words, and updates may happen in between. If it ends at a leaf that
//! covers the key, nothing else is needed: while that leaf was where it was found, the key had no
//! longer match. Otherwise its answer combines what it did not find below with what it found above.
//! Then the count must not have changed since the start, or the lookup makes another pass.
//!
//! The writer counts a change before it makes it. So a lookup that began before the change was
//! counted and sees any part of it also sees the new count at its end. If the count is the same at
//! both ends, the lookup has seen all of the changes before the last one counted, and at most that
//! last one was in progress: up to some moment the key's prefixes were as before that change, and
//! from then on as after it. The difference is one prefix, and each copy of a node has all the
//! others, so what the lookup found was the longest match before or after that moment.
//!
//! Unlike that of a seqcount, the count does not show that a change is in progress: a lookup that
//! interrupts the writer, as in an NMI, finds the same count at both ends.
//!
//! A pass is disturbed only if a writer counted a change meanwhile. An update takes as long as a
//! pass through a dozen nodes or more, so only a key of many bytes can be disturbed again and
//! again, while another CPU does nothing but updates. A reader may run in an interrupt, so it gives
//! up after a few passes, and its caller has to keep writers out.

use super::sync::{fence, AtomicU64, Ordering};

/// A reader was disturbed in each of its passes, and found nothing that it could vouch for.
///
/// Read again while there is no writer: that does not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disturbed;

/// How many passes a reader makes.
#[cfg(not(loom))]
const PASSES: u32 = 8;
/// One, so that models with few updates have readers who give up.
#[cfg(loom)]
const PASSES: u32 = 1;

/// The result of the first of a few passes that was not disturbed.
#[inline]
pub(super) fn undisturbed<T>(
    mut pass: impl FnMut() -> Result<T, Disturbed>,
) -> Result<T, Disturbed> {
    for _ in 1..PASSES {
        if let Ok(found) = pass() {
            return Ok(found);
        }
    }
    pass()
}

/// The number of changes that were begun.
///
/// Each change writes it and each lookup reads it, so nothing else is in its cache line, wherever
/// that begins.
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
        // Release: partner of the fence in `stand_at`. Whoever sees a later store sees the count
        // there.
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
