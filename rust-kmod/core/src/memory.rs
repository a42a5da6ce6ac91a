// SPDX-License-Identifier: GPL-2.0
//! The trie's only external dependency: where its blocks come from and where they go.

use core::{alloc::Layout, ptr::NonNull};

/// The largest number of nodes that [`Memory::reserve`] is asked for. The largest number of entries
/// is one.
///
/// No operation needs more, whatever the shape of the trie and the failures before it: a node has
/// at most two blocks, and a node that is merged with the one below it is retired together with
/// that one; a chain of nodes that held only the removed entry is unlinked by one store and retired
/// in portions of this size.
pub const MAX_NODES: usize = 4;

/// Supplies blocks to writers and takes them back.
///
/// Only writers call it, under the exclusion that [`Trie::writer`](super::Trie::writer) requires,
/// so an implementation may be called in any context that its user writes in.
///
/// # Safety
///
/// A block from [`alloc`](Memory::alloc) fits its layout and belongs to the caller alone. A block
/// passed to [`retire_node`](Memory::retire_node) or [`retire_entry`](Memory::retire_entry) stays
/// readable until every reader that could have found it has left: a node, until the end of each
/// [`Reader`](super::Reader) that existed before the call; an entry, also for as long as the users
/// of such a reader's results may keep a value's address.
pub unsafe trait Memory {
    /// A block for `layout`; `None`: there is no memory, and nothing has changed.
    fn alloc(&mut self, layout: Layout) -> Option<NonNull<u8>>;

    /// Makes sure that the next `nodes` calls of [`retire_node`](Memory::retire_node) and `entries`
    /// calls of [`retire_entry`](Memory::retire_entry) need no memory; `false`: nothing has
    /// changed. The trie never asks for more than [`MAX_NODES`] nodes and one entry.
    ///
    /// Fewer calls than reserved may follow. An operation may reserve again after it has retired
    /// what it reserved for.
    fn reserve(&mut self, nodes: usize, entries: usize) -> bool;

    /// Takes back a block that no reader can have seen.
    ///
    /// # Safety
    ///
    /// `ptr` came from [`alloc`](Memory::alloc) with this `layout` (or is an entry block of the
    /// caller's own), nothing refers to it, and it is given back once.
    unsafe fn free(&mut self, ptr: NonNull<u8>, layout: Layout);

    /// Takes back a node that readers may be walking through: it is freed after their grace period.
    ///
    /// # Safety
    ///
    /// As for [`free`](Memory::free), except that readers that began before this call may still
    /// read it.
    unsafe fn retire_node(&mut self, ptr: NonNull<u8>, layout: Layout);

    /// Takes back an entry, whose value readers may hold for longer than they walk.
    ///
    /// # Safety
    ///
    /// As for [`retire_node`](Memory::retire_node).
    unsafe fn retire_entry(&mut self, ptr: NonNull<u8>, layout: Layout);

    /// Bytes that the allocator actually uses for a block of `layout`: its size class.
    fn size_of(layout: Layout) -> usize;
}
