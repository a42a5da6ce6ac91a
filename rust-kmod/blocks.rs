// SPDX-License-Identifier: GPL-2.0

//! The blocks of a trie, from the memory of BPF maps.

use crate::trie;
use core::{
    alloc::Layout,
    ptr::NonNull, //
};
use kernel::bpf::{
    mem::{
        self,
        size_of_object,
        Allocator, //
    },
    retire::{
        Reclaimer,
        Retired, //
    }, //
};

/// Serves one attempt of an op, under the map's lock.
pub(crate) struct Blocks<'a, 'm> {
    pub(crate) alloc: &'a mut Allocator<'m>,
    pub(crate) retired: &'a mut Retired,
    pub(crate) reclaimer: &'a Reclaimer,
    /// Whether the op is one of bpf(2).
    pub(crate) waits: bool,
}

// SAFETY: Blocks come from kmalloc(), whose objects of at least 8 bytes are aligned to 8, which is
// all that a trie asks for. `Retired` waits for the grace period of every reader of a map.
unsafe impl trie::Memory for Blocks<'_, '_> {
    fn alloc(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        self.alloc.alloc(layout.size())
    }

    fn reserve(&mut self, nodes: usize, entries: usize) -> bool {
        self.retired
            .reserve(nodes + entries, self.alloc, self.reclaimer)
    }

    unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: The trie gives back a block that this op allocated and did not publish.
        unsafe { self.alloc.free(block, layout.size()) };
    }

    unsafe fn retire_node(&mut self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: The trie has reserved room, and unlinked the block, which came from an allocator
        // of this map. The list and its reclaimer are fields of the map.
        unsafe { self.retired.retire(block, size_of_object(layout.size())) };
    }

    unsafe fn retire_entry(&mut self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: The same contract.
        unsafe { self.retire_node(block, layout) };
    }

    fn waits(&self) -> bool {
        self.waits
    }

    fn size_of(layout: Layout) -> usize {
        size_of_object(layout.size())
    }
}

impl Drop for Blocks<'_, '_> {
    fn drop(&mut self) {
        self.retired.flush(self.reclaimer);
    }
}

/// Frees the blocks of a map that nobody uses any more.
pub(crate) struct Teardown;

// SAFETY: There are no blocks from it, and no readers.
unsafe impl trie::Memory for Teardown {
    fn alloc(&mut self, _layout: Layout) -> Option<NonNull<u8>> {
        None
    }

    fn reserve(&mut self, _nodes: usize, _entries: usize) -> bool {
        false
    }

    unsafe fn free(&mut self, block: NonNull<u8>, _layout: Layout) {
        // SAFETY: The trie gives up a block that an allocator of its map made.
        unsafe { mem::free(block) };
    }

    unsafe fn retire_node(&mut self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: The trie gives up the block, and without readers it need not wait.
        unsafe { self.free(block, layout) };
    }

    unsafe fn retire_entry(&mut self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: As above.
        unsafe { self.free(block, layout) };
    }

    fn waits(&self) -> bool {
        false
    }

    fn size_of(layout: Layout) -> usize {
        size_of_object(layout.size())
    }
}
