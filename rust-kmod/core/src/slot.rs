// SPDX-License-Identifier: GPL-2.0
//! Slots: the words of a published structure that say what there is, and the tags of the pointers
//! in them.
//!
//! A slot is vacant, or points to a node or an entry. Entries are 8-byte aligned and nodes 32-byte
//! aligned, so the low bits are free:
//!
//! ```text
//! ENTRY                       an entry
//!   EXACT                     every key that leads to the slot is covered by it
//!   EXACT | FALLBACK          as above, but the entry is not the slot's own: it is the longest
//!                             internal prefix that covers the byte, pushed into a full node's slot
//! FALLBACK                    an internal prefix of the node that holds the slot covers what the
//!                             slot leads to (never of an EXACT entry: there is no need to know)
//! PACKED, FULL, neither       the kind of the node
//! ```

use super::sync::{AtomicPtr, Ordering};
use core::ptr::{self, NonNull};

/// Alignment of node blocks.
pub(super) const NODE_ALIGN: usize = 32;

const ENTRY: usize = 1;
const EXACT: usize = 2;
const FALLBACK: usize = 4;
const PACKED: usize = 8;
const FULL: usize = 16;

const ENTRY_TAGS: usize = ENTRY | EXACT | FALLBACK;
const PUSHED: usize = ENTRY | EXACT | FALLBACK;
const NODE_TAGS: usize = NODE_ALIGN - 1;

/// How a node is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Small,
    Packed,
    Full,
}

/// What a raw pointer is to.
pub(super) enum Target {
    Vacant,
    /// `true`: every key that leads to the slot is covered.
    Entry(NonNull<u8>, bool),
    Node(NonNull<u8>, Kind),
}

/// A tagged pointer as it lies in a slot.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Raw(*mut u8);

impl Raw {
    pub(super) const VACANT: Raw = Raw(ptr::null_mut());

    fn tagged(ptr: NonNull<u8>, tags: usize) -> Self {
        Raw(ptr.as_ptr().map_addr(|addr| addr | tags))
    }

    /// For the slot of an internal prefix.
    ///
    /// # Safety
    ///
    /// `ptr` is an initialised entry block.
    pub(super) unsafe fn internal(ptr: NonNull<u8>) -> Self {
        Self::tagged(ptr, ENTRY)
    }

    /// For the slot of a leaf; `exact`: the prefix has no bits beyond the bytes that lead to the
    /// slot.
    ///
    /// # Safety
    ///
    /// `ptr` is an initialised entry block.
    pub(super) unsafe fn leaf(ptr: NonNull<u8>, exact: bool) -> Self {
        Self::tagged(ptr, if exact { ENTRY | EXACT } else { ENTRY })
    }

    /// For a slot of a full node whose byte leads nowhere, but is covered.
    ///
    /// # Safety
    ///
    /// `ptr` is an initialised entry block.
    pub(super) unsafe fn pushed(ptr: NonNull<u8>) -> Self {
        Self::tagged(ptr, PUSHED)
    }

    /// # Safety
    ///
    /// `ptr` is an initialised node block of this kind.
    pub(super) unsafe fn node(ptr: NonNull<u8>, kind: Kind) -> Self {
        let tags = match kind {
            Kind::Small => 0,
            Kind::Packed => PACKED,
            Kind::Full => FULL,
        };
        Self::tagged(ptr, tags)
    }

    /// The same, in a slot whose byte is covered by an internal prefix of its node, or not.
    pub(super) fn with_fallback(self, covered: bool) -> Self {
        let exact = self.0.addr() & (ENTRY | EXACT) == ENTRY | EXACT;
        Raw(self.0.map_addr(|addr| {
            if covered && addr != 0 && !exact {
                addr | FALLBACK
            } else {
                addr & !FALLBACK
            }
        }))
    }

    #[inline]
    pub(super) fn has_fallback(self) -> bool {
        self.0.addr() & FALLBACK != 0
    }

    pub(super) fn is_vacant(self) -> bool {
        self.0.is_null()
    }

    /// Whether the slot leads somewhere: it is neither vacant nor holds a pushed entry.
    pub(super) fn is_taken(self) -> bool {
        !self.is_vacant() && self.0.addr() & ENTRY_TAGS != PUSHED
    }

    #[inline(always)]
    pub(super) fn target(self) -> Target {
        let addr = self.0.addr();
        let tags = if addr & ENTRY != 0 { ENTRY_TAGS } else { NODE_TAGS };
        let Some(ptr) = NonNull::new(self.0.map_addr(|addr| addr & !tags)) else {
            return Target::Vacant;
        };
        if addr & ENTRY != 0 {
            Target::Entry(ptr, addr & EXACT != 0)
        } else if addr & FULL != 0 {
            Target::Node(ptr, Kind::Full)
        } else if addr & PACKED != 0 {
            Target::Node(ptr, Kind::Packed)
        } else {
            Target::Node(ptr, Kind::Small)
        }
    }
}

/// One pointer of the structure.
///
/// # Invariants
///
/// It holds [`Raw::VACANT`] or a `Raw` made by one of the other constructors. A block that was ever
/// reachable through a slot is given to `Memory::retire_node` or `Memory::retire_entry`, not before
/// it is unreachable for later readers.
#[repr(transparent)]
pub(super) struct Slot(AtomicPtr<u8>);

impl Slot {
    #[cfg(not(loom))]
    pub(super) const fn new(raw: Raw) -> Self {
        Self(AtomicPtr::new(raw.0))
    }

    #[cfg(loom)]
    pub(super) fn new(raw: Raw) -> Self {
        Self(AtomicPtr::new(raw.0))
    }

    /// The content, which may be followed: what it points to is seen as it was published.
    #[inline(always)]
    pub(super) fn acquire(&self) -> Raw {
        // Acquire: partner of the Release in `publish`.
        Raw(self.0.load(Ordering::Acquire))
    }

    /// The content for writers, who alone change it.
    pub(super) fn raw(&self) -> Raw {
        Raw(self.0.load(Ordering::Relaxed))
    }

    /// Makes what `raw` points to, or its absence, visible to readers. Writers only.
    pub(super) fn publish(&self, raw: Raw) {
        // Release: partner of the Acquire in `acquire`.
        self.0.store(raw.0, Ordering::Release);
    }
}
