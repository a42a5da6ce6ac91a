// SPDX-License-Identifier: GPL-2.0
//! A `Memory` that knows every block, fails on demand, and panics on a wrong or a second free.

use crate::{Memory, MAX_NODES};
use core::{alloc::Layout, ptr::NonNull};
use std::{alloc, collections::HashMap, vec::Vec};

/// kmalloc's size classes on x86-64.
const CLASSES: [usize; 13] = [
    8, 16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096, 8192,
];

pub(super) fn size_class(size: usize) -> usize {
    CLASSES
        .iter()
        .copied()
        .find(|class| *class >= size)
        .unwrap_or_else(|| size.next_power_of_two())
}

/// Allocates exactly what is asked for, so that Miri sees any access beyond it.
#[derive(Default)]
pub(super) struct Heap {
    live: HashMap<usize, (NonNull<u8>, Layout)>,
    retired: Vec<(NonNull<u8>, Layout)>,
    reserved: (usize, usize),
    /// Bytes of all blocks that were ever retired, as size classes.
    pub(super) ever_retired: usize,
    /// Calls of `alloc` and `reserve` that still succeed; `None`: all do.
    pub(super) budget: Option<usize>,
}

impl Heap {
    fn spend(&mut self) -> bool {
        match &mut self.budget {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }

    /// Ends all grace periods.
    pub(super) fn grace(&mut self) {
        for (ptr, layout) in self.retired.drain(..) {
            // SAFETY: allocated below with this layout; in `retired` once, because `retire` takes
            // it out of `live`.
            unsafe { alloc::dealloc(ptr.as_ptr(), layout) };
        }
    }

    /// Blocks that are neither freed nor retired.
    pub(super) fn live(&self) -> impl Iterator<Item = (usize, Layout)> + '_ {
        self.live.iter().map(|(addr, (_, layout))| (*addr, *layout))
    }

    pub(super) fn retired(&self) -> usize {
        self.retired.len()
    }

    fn take(&mut self, ptr: NonNull<u8>, layout: Layout) {
        let (_, known) = self
            .live
            .remove(&ptr.addr().get())
            .expect("a block is given back once, and came from here");
        assert_eq!(
            known, layout,
            "a block is given back with the layout that it was allocated with"
        );
    }
}

// SAFETY: blocks come from the global allocator, and retired ones stay until `grace`.
unsafe impl Memory for Heap {
    fn alloc(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        if !self.spend() {
            return None;
        }
        assert_ne!(layout.size(), 0, "no empty block is asked for");
        // SAFETY: the size is not 0.
        let ptr = NonNull::new(unsafe { alloc::alloc(layout) }).expect("the host has memory");
        self.live.insert(ptr.addr().get(), (ptr, layout));
        Some(ptr)
    }

    fn reserve(&mut self, nodes: usize, entries: usize) -> bool {
        assert!(
            nodes <= MAX_NODES && entries <= 1,
            "room for {nodes} nodes and {entries} entries is more than callers may ask for"
        );
        let ok = self.spend();
        if ok {
            self.reserved = (nodes, entries);
        }
        ok
    }

    unsafe fn free(&mut self, ptr: NonNull<u8>, layout: Layout) {
        self.take(ptr, layout);
        // SAFETY: allocated here with this layout, and live until now.
        unsafe { alloc::dealloc(ptr.as_ptr(), layout) };
    }

    unsafe fn retire_node(&mut self, ptr: NonNull<u8>, layout: Layout) {
        let left = self.reserved.0.checked_sub(1);
        self.reserved.0 = left.expect("each node's retirement was reserved");
        self.take(ptr, layout);
        self.ever_retired += size_class(layout.size());
        self.retired.push((ptr, layout));
    }

    unsafe fn retire_entry(&mut self, ptr: NonNull<u8>, layout: Layout) {
        let left = self.reserved.1.checked_sub(1);
        self.reserved.1 = left.expect("each entry's retirement was reserved");
        self.take(ptr, layout);
        self.ever_retired += size_class(layout.size());
        self.retired.push((ptr, layout));
    }

    fn size_of(layout: Layout) -> usize {
        size_class(layout.size())
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        self.grace();
        if !std::thread::panicking() {
            assert!(self.live.is_empty(), "{} blocks leaked", self.live.len());
        }
    }
}
