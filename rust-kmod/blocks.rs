// SPDX-License-Identifier: GPL-2.0

//! The blocks of a trie, from the memory of BPF maps.

use crate::trie;
use core::{
    alloc::Layout,
    ptr::NonNull, //
};
use kernel::bpf::{
    mem::{
        size_of_object,
        Allocator, //
    },
    writers::{
        Grace,
        Writer, //
    }, //
};

/// Serves one attempt of an op, under the map's lock.
///
/// Nodes wait for RCU: they are only walked in such a section. Entries wait for RCU Tasks Trace:
/// sleepable programs hold pointers to their values.
pub(crate) struct Blocks<'a, 'w, 'm>(pub(crate) &'a mut Writer<'w, 'm>);

// An attempt must not need more objects than an op can set aside: two batches, an entry, nodes. It
// allocates fewer nodes than the most that it can retire.
const _: () = assert!(3 + trie::MAX_NODES <= Allocator::RESERVE);

/// The size of the object for a block of `layout`.
///
/// An [`Allocator`] aligns an object to the largest power of two up to 32 that divides its size, so
/// the size is rounded up to a multiple of the alignment.
pub(crate) fn object_size(layout: Layout) -> usize {
    layout.pad_to_align().size()
}

// SAFETY: Blocks are objects of `object_size()`, which have the alignment of the layout. What is
// retired is freed after the grace periods of those who walk nodes, and of those who hold values.
unsafe impl trie::Memory for Blocks<'_, '_, '_> {
    fn alloc(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        self.0.alloc(object_size(layout))
    }

    fn reserve(&mut self, nodes: usize, entries: usize) -> bool {
        (nodes == 0 || self.0.reserve(Grace::Rcu, nodes))
            && (entries == 0 || self.0.reserve(Grace::TasksTrace, entries))
    }

    unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: The trie returns a block that this op allocated and did not publish.
        unsafe { self.0.free(block, object_size(layout)) };
    }

    unsafe fn retire_node(&mut self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: The trie has reserved room, and unlinked the block, which came from an op of the
        // map. Nodes are walked in sections of RCU only.
        unsafe { self.0.retire(Grace::Rcu, block, object_size(layout)) };
    }

    unsafe fn retire_entry(&mut self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: The trie has reserved room, and unlinked the block, which came from an op of the
        // map. Programs hold values in sections of RCU or of RCU Tasks Trace.
        unsafe { self.0.retire(Grace::TasksTrace, block, object_size(layout)) };
    }

    fn size_of(layout: Layout) -> usize {
        size_of_object(object_size(layout))
    }
}
