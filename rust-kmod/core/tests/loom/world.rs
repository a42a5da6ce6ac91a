// SPDX-License-Identifier: GPL-2.0
//! A table with what its models need: memory, cells that represent values, grace periods.

use loom::{
    cell::UnsafeCell,
    sync::{
        atomic::{AtomicUsize, Ordering},
        Mutex,
    },
    thread,
};
use lpm_mtrie_core::{Disturbed, Entry, Geometry, Memory, Mode, NewEntry, Prefix, Reader, Trie};
use std::{
    alloc::{alloc, dealloc, Layout},
    collections::HashMap,
    ptr::NonNull,
    sync::{
        atomic::{AtomicBool, Ordering::Relaxed},
        Arc,
    },
};

const DATA: u16 = 4;
const CELLS: usize = 24;
/// In a cell whose entry was reclaimed.
const GONE: u64 = 1 << 63;

/// A prefix: its length, and its data.
pub type Row = (u32, [u8; 4]);

#[derive(Default)]
struct Heap {
    live: HashMap<usize, (NonNull<u8>, Layout)>,
    retired: Vec<(NonNull<u8>, Layout)>,
    /// After their grace period: kept, so that a model in which one is found fails by an assertion,
    /// not by undefined behaviour.
    dead: Vec<(NonNull<u8>, Layout)>,
    /// There is no memory for nodes, nor to retire them.
    no_memory: bool,
}

// SAFETY: the pointers are the heap's own blocks.
unsafe impl Send for Heap {}

// SAFETY: blocks come from the global allocator; retired ones stay until `end`.
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

    fn reserve(&mut self, nodes: usize, _: usize) -> bool {
        nodes == 0 || !self.no_memory
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

    /// Counts only items, so that a node with half of them is worth a copy.
    fn size_of(layout: Layout) -> usize {
        layout.size().saturating_sub(72)
    }
}

/// A table, its cells, and a grace period: the writer waits until all readers have left.
pub struct World {
    pub trie: Trie,
    cells: Vec<UnsafeCell<u64>>,
    readers: AtomicUsize,
    heap: Mutex<Heap>,
    /// Whether a reader gave up. Not a part of the model.
    pub gave_up: AtomicBool,
}

// SAFETY: the cells are accessed as the trie's entries are, which is what loom checks here.
unsafe impl Sync for World {}
// SAFETY: as above.
unsafe impl Send for World {}

pub fn geometry() -> Geometry {
    Geometry::new(DATA, 8).expect("valid")
}

impl World {
    /// A world with these prefixes, of which `gone` are removed again without memory: nodes stay as
    /// they are. Prefix `i` has cell `i`.
    pub fn new(rows: &[Row], gone: &[Row], readers: usize) -> Arc<Self> {
        let world = Self {
            trie: Trie::new(geometry()),
            cells: (0..CELLS).map(|_| UnsafeCell::new(GONE)).collect(),
            readers: AtomicUsize::new(0),
            heap: Mutex::new(Heap::default()),
            gave_up: AtomicBool::new(false),
        };
        for (i, row) in rows.iter().enumerate() {
            world.insert(*row, i);
        }
        for row in gone {
            world.remove_without_memory(*row);
        }
        let cells: Vec<usize> = (0..rows.len())
            .filter(|i| gone.contains(&rows[*i]))
            .collect();
        world.grace(&cells);
        // Relaxed: the threads of readers are spawned later.
        world.readers.store(readers, Ordering::Relaxed);
        Arc::new(world)
    }

    pub fn insert(&self, (len, data): Row, cell: usize) {
        let geometry = geometry();
        let prefix = Prefix::new(&geometry, len, &data).expect("valid");
        // SAFETY: the cell is in no entry, so nobody reads it; loom would say so.
        self.cells[cell].with_mut(|content| unsafe { *content = u64::from(len) });
        let mut heap = self.heap.lock().expect("no panic holds it");
        let block = heap.alloc(geometry.entry_layout(prefix)).expect("memory");
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

    pub fn remove(&self, row: Row) {
        self.remove_with(row, true);
    }

    pub fn remove_without_memory(&self, row: Row) {
        self.remove_with(row, false);
    }

    fn remove_with(&self, (len, data): Row, memory: bool) {
        let geometry = geometry();
        let prefix = Prefix::new(&geometry, len, &data).expect("valid");
        let mut heap = self.heap.lock().expect("no panic holds it");
        heap.no_memory = !memory;
        // SAFETY: the lock makes this the only writer.
        let result = unsafe { self.trie.writer() }.remove(&mut *heap, prefix);
        assert!(result.is_ok(), "it is there");
        heap.no_memory = false;
    }

    /// A reader section; each reader has one.
    pub fn read<T>(&self, section: impl FnOnce(&Reader) -> T) -> T {
        // SAFETY: `grace` ends no grace period before the counter says that this section has ended.
        let reader = unsafe { Reader::assume() };
        let result = section(&reader);
        // Release: partner of the Acquire in `grace`.
        self.readers.fetch_sub(1, Ordering::Release);
        result
    }

    /// A reader section after the writer is done.
    pub fn read_at_the_end(&self, section: impl FnOnce(&Reader)) {
        // SAFETY: nothing is freed any more before `end`.
        section(&unsafe { Reader::assume() });
    }

    /// Waits for all readers, then ends the grace period of what was retired, and overwrites the
    /// cells of entries that are gone.
    pub fn grace(&self, gone: &[usize]) {
        // Acquire: partner of the Release in `read`.
        while self.readers.load(Ordering::Acquire) > 0 {
            thread::yield_now();
        }
        let heap = &mut *self.heap.lock().expect("no panic holds it");
        heap.dead.append(&mut heap.retired);
        for cell in gone {
            // SAFETY: the entry has been unreachable since its retirement, and the readers of that
            // time have left.
            self.cells[*cell].with_mut(|content| unsafe { *content = GONE });
        }
    }

    /// What `read` finds; if the writer disturbs it again and again, while there is no writer.
    pub fn undisturbed<T>(&self, mut read: impl FnMut() -> Result<T, Disturbed>) -> T {
        read().unwrap_or_else(|Disturbed| {
            self.gave_up.store(true, Relaxed);
            let _no_writer = self.heap.lock().expect("no panic holds it");
            read().expect("nobody disturbs it")
        })
    }

    /// The entry after that of `prefix`.
    pub fn next<'e>(&'e self, reader: &'e Reader, prefix: Prefix<'_>) -> Option<Entry<'e>> {
        self.undisturbed(|| self.trie.next(reader, Some(prefix)))
    }

    /// The prefixlen of the longest match, checked against the cell's content.
    pub fn longest_match(&self, reader: &Reader, key: [u8; 4]) -> Option<u32> {
        self.longest_match_of(reader, (32, key))
    }

    /// As above, for a key that may be shorter.
    pub fn longest_match_of(&self, reader: &Reader, (len, data): Row) -> Option<u32> {
        let geometry = geometry();
        let key = Prefix::new(&geometry, len, &data).expect("valid");
        let entry = self.undisturbed(|| self.trie.longest_match(reader, key))?;
        // SAFETY: written before the insertion and not since; dead blocks stay readable.
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

    /// Frees everything; no block may leak.
    pub fn end(self: Arc<Self>) {
        let mut world = Arc::into_inner(self).expect("all threads have ended");
        let heap = world.heap.get_mut().expect("no panic holds it");
        for (ptr, layout) in heap.retired.drain(..).chain(heap.dead.drain(..)) {
            // SAFETY: no reader is left.
            unsafe { dealloc(ptr.as_ptr(), layout) };
        }
        // SAFETY: the trie gives up a block of the heap, and no value is used any more.
        let free = |block, layout| unsafe { heap.free(block, layout) };
        world.trie.clear(free, || {});
        assert!(heap.live.is_empty(), "no block leaks");
    }
}
