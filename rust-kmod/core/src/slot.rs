// SPDX-License-Identifier: GPL-2.0
//! Slots: the words of a published structure that determine its content, and the tags of the
//! pointers in them.
//!
//! A slot is vacant, or points to an entry, whose block is 16-byte aligned, or to a node, whose
//! block is 32-byte aligned. So the low bits are free:
//!
//! ```text
//! bit 0   ENTRY      an entry
//! bit 1   EXACT      of an entry: every key that leads to the slot is covered by it
//! bit 2   FALLBACK   an internal prefix of the node that holds the slot covers what it leads to
//! bit 3   PUSHED     of an entry: it is that prefix, the slot leads nowhere (EXACT, FALLBACK too)
//!         PACKED     of a node: its kind
//! bit 4   FULL       of a node: its kind
//! ```

use super::sync::{AtomicPtr, Ordering};
use core::ptr::{self, NonNull};

/// Alignment of entry blocks.
pub(super) const ENTRY_ALIGN: usize = 16;
/// Alignment of node blocks.
pub(super) const NODE_ALIGN: usize = 32;

const ENTRY: usize = 1;
const EXACT: usize = 2;
const FALLBACK: usize = 4;
const PUSHED: usize = 8;
const PACKED: usize = 8;
const FULL: usize = 16;

/// How a node is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Small,
    Packed,
    Full,
}

/// What a raw pointer points to.
pub(super) enum Target {
    Vacant,
    /// `true`: every key that leads to the slot is covered.
    Entry(NonNull<u8>, bool),
    Node(NonNull<u8>, Kind),
}

/// A tagged pointer as stored in a slot.
///
/// # Invariants
///
/// It is null, or a pointer with tags in its low bits, which is not null without them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Raw(*mut u8);

impl Raw {
    pub(super) const VACANT: Raw = Raw(ptr::null_mut());

    fn tagged(ptr: NonNull<u8>, tags: usize) -> Self {
        let align = if tags & ENTRY != 0 {
            ENTRY_ALIGN
        } else {
            NODE_ALIGN
        };
        debug_assert!(ptr.addr().get() & (align - 1) == 0, "a block is aligned");
        // INVARIANT: blocks are aligned, so tags take no bit of the address.
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
        Self::tagged(ptr, ENTRY | EXACT | FALLBACK | PUSHED)
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

    /// The same, for a slot whose byte is covered by an internal prefix of its node, or not.
    pub(super) fn with_fallback(self, covered: bool) -> Self {
        // INVARIANT: null stays null.
        Raw(self.0.map_addr(|addr| {
            if covered && addr != 0 {
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
        !self.is_vacant() && self.0.addr() & (ENTRY | PUSHED) != ENTRY | PUSHED
    }

    #[inline(always)]
    pub(super) fn target(self) -> Target {
        let addr = self.0.addr();
        if addr == 0 {
            return Target::Vacant;
        }
        let untagged = |align: usize| {
            let ptr = self.0.map_addr(|addr| addr & !(align - 1));
            // SAFETY: by the invariants not null without the tags.
            unsafe { NonNull::new_unchecked(ptr) }
        };
        if addr & ENTRY != 0 {
            return Target::Entry(untagged(ENTRY_ALIGN), addr & EXACT != 0);
        }
        let kind = if addr & FULL != 0 {
            Kind::Full
        } else if addr & PACKED != 0 {
            Kind::Packed
        } else {
            Kind::Small
        };
        Target::Node(untagged(NODE_ALIGN), kind)
    }
}

/// One pointer of the structure.
///
/// # Invariants
///
/// It holds [`Raw::VACANT`] or a `Raw` made by one of the other constructors. A block that was ever
/// reachable through a slot is given to `Memory::retire_node` or `Memory::retire_entry`, but not
/// before it is unreachable for later readers.
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

    /// The content for writers, since only they change it, and for readers that do not follow it.
    pub(super) fn raw(&self) -> Raw {
        Raw(self.0.load(Ordering::Relaxed))
    }

    /// Makes what `raw` points to, or its absence, visible to readers. Writers only.
    pub(super) fn publish(&self, raw: Raw) {
        // Release: partner of the Acquire in `acquire`.
        self.0.store(raw.0, Ordering::Release);
    }
}
