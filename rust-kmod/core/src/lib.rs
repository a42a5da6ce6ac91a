// SPDX-License-Identifier: GPL-2.0
//! The longest-prefix-match structure of the LPM_MTRIE BPF map: a multibit trie with a stride of 8
//! bits, three kinds of nodes, and path compression, with lock-free readers and one writer at a
//! time.
//!
//! ```text
//! root slot ─▶ node, skip 10       with 10.0.0.0/8, 10.1.0.0/16, 10.1.2.0/24, 10.7.0.0/20
//!              ├ internal 1 ─▶ entry 10/8   (base index 1: no bits beyond the path)
//!              ├ child 1 ────▶ node
//!              │               ├ internal 1 ▶ entry 10.1/16
//!              │               └ child 2 ──▶ entry 10.1.2/24   (a leaf: nothing below)
//!              └ child 7 ────▶ entry 10.7.0/20                 (a leaf, too)
//! ```
//!
//! A node at depth `d` looks at byte `d` of the key. It holds the prefixes of `8d` to `8d + 7` bits
//! on its path; longer ones are below the child of their byte `d`. A subtree with a single prefix
//! is that prefix's entry and nothing else.
//!
//! Files, each of which imports only from those before it: `sync`, `stride` (bitmap arithmetic),
//! `slot`, `prefix`, `item`, `entry`; `small`, `packed`, `full` (the kinds of nodes), `node` (any
//! of them), `fallback` (what slots say about shorter prefixes); `changes`, `stats`, `memory`;
//! `descent`, `lookup`, `iter` (reading); `build`, `tidy`, `insert`, `remove`, `clear` (writing).
//!
//! # Readers and the writer
//!
//! Readers load slots with Acquire; the writer completes a block, stores it into one slot with
//! Release, and retires what that replaced, if anything. A retired block stays as it was, so that
//! readers who are in it finish.
//!
//! * A lookup returns the longest match that its key had at some moment during the call, whatever
//!   updates run meanwhile: it is linearizable for each key. `changes.rs` explains this.
//! * A step of a walk returns entries that were present during the call and follow the given
//!   position, which need not have an entry; it skips no entry that is present during the whole
//!   call. So a walk visits everything that is present from its first step to its last. Entries
//!   that come or go meanwhile may be visited or not.
//! * [`Trie::next`] does the same from a prefix that is present; if it was removed, it starts again
//!   at the first entry, as LPM_TRIE does.
//! * A reader whom the writer disturbs again and again gives up, and reads again while there is no
//!   writer: [`Disturbed`].
//!
//! This source is compiled twice: as the crate `lpm-mtrie-core`, and as a module of the kernel
//! module. It needs neither the alloc crate nor the kernel crate, does not panic, does not recurse,
//! and keeps its stack frames small.

#![cfg_attr(not(CONFIG_RUST), no_std)]
#![warn(missing_docs, unsafe_op_in_unsafe_fn)]
#![cfg_attr(
    CONFIG_RUST,
    allow(
        dead_code,
        unused_imports,
        unreachable_pub,
        reason = "a map type need not use all that the module offers"
    )
)]

#[cfg(any(test, fuzzing))]
extern crate std;

mod build;
mod changes;
mod clear;
mod descent;
mod entry;
mod fallback;
mod full;
mod insert;
mod item;
mod iter;
mod lookup;
mod memory;
mod node;
mod packed;
mod prefix;
mod remove;
mod slot;
mod small;
mod stats;
mod stride;
mod sync;
#[cfg(any(test, fuzzing))]
mod tests;
mod tidy;

pub use self::{
    changes::Disturbed,
    entry::{Entry, NewEntry},
    insert::{Mode, Outcome, Position},
    memory::{Memory, MAX_NODES},
    prefix::{Geometry, Prefix, DATA_SIZE_MAX},
};

#[cfg(fuzzing)]
pub use self::tests::fuzz;

use core::marker::PhantomData;

/// Why an update or a removal did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// No memory for a block, or no room to retire one.
    NoMemory,
    /// The prefix has an entry already, and the mode was [`Mode::NoExist`].
    Exists,
    /// The prefix has no entry, and one was needed.
    Missing,
    /// There are as many entries as are allowed.
    Full,
}

/// A longest-prefix-match table.
///
/// Its blocks belong to the allocator behind the [`Memory`] that is passed to the writing calls;
/// empty it with [`clear`](Trie::clear) before dropping it.
// In this order, so that `changes` lies between what readers read and what the writer counts.
#[repr(C)]
pub struct Trie {
    geometry: Geometry,
    root: slot::Slot,
    /// Nodes that no reader can find any more, each in the only slot of the one before, until
    /// there is room to retire them.
    leftover: slot::Slot,
    changes: changes::Changes,
    stats: stats::Stats,
}

// SAFETY: the root slot owns blocks of plain memory that no thread is tied to; the rest is plain
// data.
unsafe impl Send for Trie {}
// SAFETY: shared access reads atomics, and blocks that are not written while readers may see them
// except through atomics; a `Writer` is exclusive by the contract of `Trie::writer`.
unsafe impl Sync for Trie {}

/// Evidence of a reader section: while it lives, blocks that were retired after its creation are
/// not freed.
pub struct Reader(PhantomData<*const ()>);

impl Reader {
    /// Asserts that the caller is in a reader section.
    ///
    /// # Safety
    ///
    /// For as long as the value exists or is borrowed, the caller is in a section that delays the
    /// freeing of every block that is retired after the section began: for an allocator that frees
    /// through RCU, an RCU reader section.
    pub const unsafe fn assume() -> Self {
        Self(PhantomData)
    }
}

/// The right to change a trie.
pub struct Writer<'a> {
    trie: &'a Trie,
}

impl Trie {
    /// An empty trie.
    #[cfg(not(loom))]
    pub const fn new(geometry: Geometry) -> Self {
        Self {
            geometry,
            root: slot::Slot::new(slot::Raw::VACANT),
            leftover: slot::Slot::new(slot::Raw::VACANT),
            changes: changes::Changes::new(),
            stats: stats::Stats::new(),
        }
    }

    /// An empty trie.
    #[cfg(loom)]
    pub fn new(geometry: Geometry) -> Self {
        Self {
            geometry,
            root: slot::Slot::new(slot::Raw::VACANT),
            leftover: slot::Slot::new(slot::Raw::VACANT),
            changes: changes::Changes::new(),
            stats: stats::Stats::new(),
        }
    }

    /// The sizes of its keys and values.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Number of entries. Any context; may lag behind a concurrent writer.
    pub fn len(&self) -> u64 {
        self.stats.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that entries and nodes take according to [`Memory::size_of`], without retired blocks.
    pub fn bytes(&self) -> u64 {
        self.stats.bytes()
    }

    /// The right to write.
    ///
    /// # Safety
    ///
    /// Until the writer is dropped, there is no other writer of this trie, and blocks that its
    /// calls retire are not freed before those calls return. All writers of a trie pass these calls
    /// a [`Memory`] of the same allocator.
    pub unsafe fn writer(&self) -> Writer<'_> {
        Writer { trie: self }
    }
}

impl Drop for Trie {
    fn drop(&mut self) {
        debug_assert!(
            self.root.raw().is_vacant() && self.leftover.raw().is_vacant(),
            "a trie is cleared before it is dropped"
        );
    }
}
