// SPDX-License-Identifier: GPL-2.0
//! An allocator that packs blocks of kmalloc's size classes side by side, as slabs do, with a free
//! list per class.

use lpm_mtrie_core::Memory;
use std::{
    alloc::{alloc, dealloc, Layout},
    ptr::NonNull,
};

const CLASSES: [usize; 13] = [
    8, 16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096, 8192,
];
const CHUNK: Layout = match Layout::from_size_align(1 << 21, 1 << 21) {
    Ok(layout) => layout,
    Err(_) => panic!("a power of two"),
};

/// The class for a block of `layout`, as rust-kmod/blocks.rs requests it: blocks are aligned to the
/// largest power of two that divides their size.
fn class(layout: Layout) -> usize {
    let size = layout.pad_to_align().size();
    CLASSES
        .iter()
        .position(|class| *class >= size)
        .expect("no block is larger than the largest class")
}

#[derive(Default)]
struct Class {
    free: Vec<NonNull<u8>>,
    at: usize,
    chunks: Vec<NonNull<u8>>,
}

/// Retired blocks are reused after [`grace`](Slab::grace).
#[derive(Default)]
pub struct Slab {
    classes: [Class; 13],
    retired: Vec<(NonNull<u8>, usize)>,
    /// Blocks handed out per class, minus those returned.
    pub blocks: [i64; 13],
}

impl Slab {
    pub fn grace(&mut self) {
        for (ptr, class) in self.retired.drain(..) {
            self.classes[class].free.push(ptr);
        }
    }

    /// `(class size, blocks)` of the classes in use.
    pub fn usage(&self) -> impl Iterator<Item = (usize, i64)> + '_ {
        CLASSES
            .into_iter()
            .zip(self.blocks)
            .filter(|(_, blocks)| *blocks != 0)
    }
}

// SAFETY: blocks of a class are disjoint parts of chunks that live as long as the slab; retired
// ones wait for `grace`.
unsafe impl Memory for Slab {
    fn alloc(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        let index = class(layout);
        self.blocks[index] += 1;
        let class = &mut self.classes[index];
        if let Some(ptr) = class.free.pop() {
            return Some(ptr);
        }
        let size = CLASSES[index];
        if class.chunks.is_empty() || class.at + size > CHUNK.size() {
            // SAFETY: the layout is not empty.
            class.chunks.push(NonNull::new(unsafe { alloc(CHUNK) })?);
            class.at = 0;
        }
        let chunk = class.chunks.last()?;
        // SAFETY: at + size lies within the chunk.
        let ptr = unsafe { chunk.add(class.at) };
        class.at += size;
        Some(ptr)
    }

    fn reserve(&mut self, nodes: usize, entries: usize) -> bool {
        self.retired.reserve(nodes + entries);
        true
    }

    unsafe fn free(&mut self, ptr: NonNull<u8>, layout: Layout) {
        let class = class(layout);
        self.blocks[class] -= 1;
        self.classes[class].free.push(ptr);
    }

    unsafe fn retire_node(&mut self, ptr: NonNull<u8>, layout: Layout) {
        let class = class(layout);
        self.blocks[class] -= 1;
        self.retired.push((ptr, class));
    }

    unsafe fn retire_entry(&mut self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: the same contract.
        unsafe { self.retire_node(ptr, layout) };
    }

    fn size_of(layout: Layout) -> usize {
        CLASSES[class(layout)]
    }
}

impl Drop for Slab {
    fn drop(&mut self) {
        for ptr in self.classes.iter().flat_map(|class| &class.chunks) {
            // SAFETY: allocated with this layout, and nothing refers into it any more.
            unsafe { dealloc(ptr.as_ptr(), CHUNK) };
        }
    }
}
