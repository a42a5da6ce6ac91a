// SPDX-License-Identifier: GPL-2.0
//! A table with what its models need: memory, cells that stand for values, grace periods.

use loom::{
    cell::UnsafeCell,
    sync::{
        atomic::{AtomicUsize, Ordering},
        Mutex,
    },
    thread,
};
use lpm_mtrie_core::{Geometry, Memory, Mode, NewEntry, Prefix, Reader, Trie};
use std::{
    alloc::{alloc, dealloc, Layout},
    collections::HashMap,
    ptr::NonNull,
    sync::Arc,
};

const DATA: u16 = 4;
const CELLS: usize = 16;
/// In a cell whose entry was reclaimed.
const GONE: u64 = 1 << 63;

#[derive(Default)]
struct Heap {
    live: HashMap<usize, (NonNull<u8>, Layout)>,
    retired: Vec<(NonNull<u8>, Layout)>,
    no_memory: bool,
}

// SAFETY: the pointers are the heap's own blocks.
unsafe impl Send for Heap {}

// SAFETY: blocks come from the global allocator; retired ones stay until `free_retired`.
unsafe impl Memory for Heap {
    fn alloc(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        if self.no_memory {
            return None;
        }
        // SAFETY: no block is empty.
        let ptr = NonNull::new(unsafe { alloc(layout) })?;
        self.live.insert(ptr.addr().get(), (ptr, layout));
        Some(ptr)
    }

    fn reserve(&mut self, _: usize, _: usize) -> bool {
        true
    }

    unsafe fn free(&mut self, ptr: NonNull<u8>, layout: Layout) {
        self.live.remove(&ptr.addr().get()).expect("freed once");
        // SAFETY: it was live, with this layout.
        unsafe { dealloc(ptr.as_ptr(), layout) };
    }

    unsafe fn retire_node(&mut self, ptr: NonNull<u8>, layout: Layout) {
        self.live.remove(&ptr.addr().get()).expect("retired once");
        self.retired.push((ptr, layout));
    }

    unsafe fn retire_entry(&mut self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: the same contract.
        unsafe { self.retire_node(ptr, layout) };
    }

    fn waits(&self) -> bool {
        false
    }

    /// Classes that leave room in some nodes.
    fn size_of(layout: Layout) -> usize {
        layout.size().next_multiple_of(512)
    }
}

/// A table, its cells, and a grace period: the writer waits until the readers of one generation
/// have left.
pub struct World {
    pub trie: Trie,
    direct: Option<NonNull<u8>>,
    cells: Vec<UnsafeCell<u64>>,
    readers: AtomicUsize,
    heap: Mutex<Heap>,
}

// SAFETY: the cells are accessed as the trie's entries are, which is what loom checks here.
unsafe impl Sync for World {}
// SAFETY: as above.
unsafe impl Send for World {}

pub fn geometry() -> Geometry {
    Geometry::new(DATA, 8).expect("valid")
}

impl World {
    /// With these prefixes, and a directly indexed root or not; prefix `i` has cell `i`.
    pub fn new(rows: &[(u32, [u8; 4])], direct: bool, readers: usize) -> Arc<Self> {
        // SAFETY: the layout is not empty.
        let direct =
            direct.then(|| NonNull::new(unsafe { alloc(Trie::DIRECT_LAYOUT) }).expect("memory"));
        let trie = match direct {
            // SAFETY: the block has the layout, and is freed after the trie's last use.
            Some(block) => unsafe { Trie::with_direct_root(geometry(), block) },
            None => Trie::new(geometry()),
        };
        let world = Self {
            trie,
            direct,
            cells: (0..CELLS).map(|_| UnsafeCell::new(GONE)).collect(),
            readers: AtomicUsize::new(readers),
            heap: Mutex::new(Heap::default()),
        };
        for (i, (len, data)) in rows.iter().enumerate() {
            world.insert(*len, *data, i);
        }
        Arc::new(world)
    }

    pub fn insert(&self, len: u32, data: [u8; 4], cell: usize) {
        let geometry = geometry();
        let prefix = Prefix::new(&geometry, len, &data).expect("valid");
        // SAFETY: the cell is in no entry, so nobody reads it; loom would say so.
        self.cells[cell].with_mut(|content| unsafe { *content = u64::from(len) });
        let mut heap = self.heap.lock().expect("no panic holds it");
        let block = heap.alloc(geometry.entry_layout()).expect("memory");
        // SAFETY: a fresh block whose value has 8 bytes; the lock makes this the only writer.
        let result = unsafe {
            block.cast::<u64>().write(cell as u64);
            let entry = NewEntry::new(block);
            self.trie
                .writer()
                .insert(&mut *heap, prefix, Mode::Any, u64::MAX, entry)
        };
        assert!(result.is_ok(), "memory does not fail");
    }

    pub fn remove(&self, len: u32, data: [u8; 4], no_memory: bool) {
        let geometry = geometry();
        let prefix = Prefix::new(&geometry, len, &data).expect("valid");
        let mut heap = self.heap.lock().expect("no panic holds it");
        heap.no_memory = no_memory;
        // SAFETY: the lock makes this the only writer.
        let result = unsafe { self.trie.writer() }.remove(&mut *heap, prefix);
        assert_eq!(result, Ok(()), "it is there");
        heap.no_memory = false;
    }

    /// A reader section; each reader has one.
    pub fn read<T>(&self, section: impl FnOnce(&Reader) -> T) -> T {
        // SAFETY: `grace` frees only after the counter says that this section has ended.
        let reader = unsafe { Reader::assume() };
        let result = section(&reader);
        // Release: partner of the Acquire in `grace`.
        self.readers.fetch_sub(1, Ordering::Release);
        result
    }

    /// Waits for all readers, then frees what was retired and overwrites the cells of entries that
    /// are gone.
    pub fn grace(&self, gone: &[usize]) {
        // Acquire: partner of the Release in `read`.
        while self.readers.load(Ordering::Acquire) > 0 {
            thread::yield_now();
        }
        for (ptr, layout) in self
            .heap
            .lock()
            .expect("no panic holds it")
            .retired
            .drain(..)
        {
            // SAFETY: unreachable since its retirement, and the readers of that time have left.
            unsafe { dealloc(ptr.as_ptr(), layout) };
        }
        for cell in gone {
            // SAFETY: as for the block.
            self.cells[*cell].with_mut(|content| unsafe { *content = GONE });
        }
    }

    /// The prefixlen of the longest match, checked against the cell's content.
    pub fn longest_match(&self, reader: &Reader, key: [u8; 4]) -> Option<u32> {
        let geometry = geometry();
        let key = Prefix::new(&geometry, 32, &key).expect("valid");
        let entry = self.trie.longest_match(reader, key)?;
        // SAFETY: written before the insertion and not since.
        let cell = unsafe { entry.value_ptr().cast::<u64>().read() } as usize;
        // SAFETY: the section keeps the entry and with it the cell.
        let content = self.cells[cell].with(|content| unsafe { *content });
        assert_eq!(
            content,
            u64::from(entry.prefixlen()),
            "an entry found is complete and not reclaimed"
        );
        Some(entry.prefixlen())
    }

    /// All blocks come back.
    pub fn end(self: Arc<Self>) {
        let mut world = Arc::into_inner(self).expect("all threads have ended");
        let heap = world.heap.get_mut().expect("no panic holds it");
        for (ptr, layout) in heap.retired.drain(..) {
            // SAFETY: no reader is left.
            unsafe { dealloc(ptr.as_ptr(), layout) };
        }
        // SAFETY: the trie gives up a block of the heap, and no value is used any more.
        let free = |block, layout| unsafe { heap.free(block, layout) };
        world.trie.clear(free, || {});
        assert!(heap.live.is_empty(), "no block leaks");
        if let Some(block) = world.direct {
            // SAFETY: allocated with this layout; the empty trie is not used again.
            unsafe { dealloc(block.as_ptr(), Trie::DIRECT_LAYOUT) };
        }
    }
}
