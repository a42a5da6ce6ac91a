// SPDX-License-Identifier: GPL-2.0
//! Where blocks come from and where they go: the trie's only wish to its surroundings.

use core::{alloc::Layout, ptr::NonNull};

/// Supplies blocks to writers and takes them back.
///
/// Only writers call it, under the exclusion that [`Trie::writer`](super::Trie::writer) asks for,
/// so an implementation may be called in any context that its user writes in.
///
/// # Safety
///
/// A block from [`alloc`](Memory::alloc) fits its layout and belongs to the caller alone. A block
/// passed to [`retire`](Memory::retire) stays readable until every reader section that began before
/// the call has ended.
pub unsafe trait Memory {
    /// A block for `layout`, or `None`, and then nothing has changed.
    fn alloc(&mut self, layout: Layout) -> Option<NonNull<u8>>;

    /// Makes sure that the next `blocks` calls of [`retire`](Memory::retire) need no memory;
    /// `false`: nothing has changed.
    ///
    /// Fewer calls than reserved may follow.
    fn reserve(&mut self, blocks: usize) -> bool;

    /// Takes back a block that no reader can have seen.
    ///
    /// # Safety
    ///
    /// `ptr` came from [`alloc`](Memory::alloc) with this `layout` (or is an entry block of the
    /// caller's own), nothing refers to it, and it is given back once.
    unsafe fn free(&mut self, ptr: NonNull<u8>, layout: Layout);

    /// Takes back a block that readers may be looking at: it is freed after their grace period.
    ///
    /// # Safety
    ///
    /// As for [`free`](Memory::free), except that readers whose section began before this call may
    /// still read it.
    unsafe fn retire(&mut self, ptr: NonNull<u8>, layout: Layout);

    /// Bytes that the allocator really spends on a block of `layout`, its size class.
    fn size_of(layout: Layout) -> usize;
}
