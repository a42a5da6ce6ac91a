// SPDX-License-Identifier: GPL-2.0
//! Slots: the words of a published structure that say what there is. Bitmaps, directories and
//! counts may change, too, and are hints: a slot decides.
//!
//! A slot is null (vacant), or points to a node (tag 0), to an entry (tag 1), or to a leaf whose
//! prefix ends where the slot begins (tag 3): whoever gets to such a slot is covered, and need not
//! look at the entry. Blocks are 8-byte aligned, so the bits are free.

use super::{
    entry::EntryRef,
    node::NodeRef,
    sync::{AtomicPtr, Ordering},
};
use core::ptr::{self, NonNull};

const ENTRY: usize = 1;
const EXACT: usize = 2;
const TAGS: usize = ENTRY | EXACT;

/// A tagged pointer as it lies in a slot.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Raw(*mut u8);

impl Raw {
    pub(super) const VACANT: Raw = Raw(ptr::null_mut());

    /// For the slot of an internal prefix.
    ///
    /// # Safety
    ///
    /// `ptr` is an initialised entry block.
    pub(super) unsafe fn internal(ptr: NonNull<u8>) -> Self {
        Raw(ptr.as_ptr().map_addr(|a| a | ENTRY))
    }

    /// For the slot of a leaf; `exact`: the prefix has no bits beyond the bytes that lead to the
    /// slot.
    ///
    /// # Safety
    ///
    /// `ptr` is an initialised entry block.
    pub(super) unsafe fn leaf(ptr: NonNull<u8>, exact: bool) -> Self {
        Raw(ptr
            .as_ptr()
            .map_addr(|a| a | if exact { TAGS } else { ENTRY }))
    }

    /// # Safety
    ///
    /// `ptr` is an initialised node block.
    pub(super) unsafe fn node(ptr: NonNull<u8>) -> Self {
        Raw(ptr.as_ptr())
    }

    pub(super) fn is_vacant(self) -> bool {
        self.0.is_null()
    }

    /// # Safety
    ///
    /// The block behind the pointer is published or about to be, and is readable for `'a`.
    #[inline]
    unsafe fn follow<'a>(self) -> Link<'a> {
        let Some(ptr) = NonNull::new(self.0.map_addr(|a| a & !TAGS)) else {
            return Link::Vacant;
        };
        if self.0.addr() & ENTRY != 0 {
            // SAFETY: only `Raw::internal` and `Raw::leaf` set the bit, and ask for an entry; it
            // lives as the caller says.
            let entry = unsafe { EntryRef::new(ptr) };
            Link::Entry(entry, self.0.addr() & EXACT != 0)
        } else {
            // SAFETY: likewise for nodes.
            Link::Node(unsafe { NodeRef::new(ptr) })
        }
    }
}

/// What a slot leads to.
#[derive(Clone, Copy)]
pub(super) enum Link<'a> {
    Vacant,
    /// `true`: the key that led here is covered.
    Entry(EntryRef<'a>, bool),
    Node(NodeRef<'a>),
}

/// One pointer of the structure.
///
/// # Invariants
///
/// It holds [`Raw::VACANT`] or a `Raw` made by [`Raw::internal`], [`Raw::leaf`] or [`Raw::node`]. A
/// block that was ever reachable through a slot is given to `Memory::retire`, not before it is
/// unreachable for later readers.
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

    /// What the slot leads to. Whoever holds a slot for `'a` is in a reader section or is the
    /// writer, so the blocks that it finds there live as long.
    #[inline]
    pub(super) fn load<'a>(&'a self) -> Link<'a> {
        // Acquire: partner of the Release in `publish`, so the block's content is seen as it was
        // when it was published.
        let raw = Raw(self.0.load(Ordering::Acquire));
        // SAFETY: by the type's invariants the block was published; it is retired after it became
        // unreachable, and 'a lies in a reader section that keeps it, or belongs to the
        // writer, who alone retires.
        unsafe { raw.follow() }
    }

    /// The content for writers, who alone change it.
    pub(super) fn raw(&self) -> Raw {
        Raw(self.0.load(Ordering::Relaxed))
    }

    /// Makes what `raw` points to, or its absence, visible to readers. Writers only.
    pub(super) fn publish(&self, raw: Raw) {
        // Release: partner of the Acquire in `load`.
        self.0.store(raw.0, Ordering::Release);
    }
}
