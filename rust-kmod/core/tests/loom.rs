// SPDX-License-Identifier: GPL-2.0
//! Readers, writers and reclaim in every order that the memory model allows.
//!
//! `RUSTFLAGS="--cfg loom" cargo test --release --test loom`; `scripts/test core` does it, too.
//!
//! A value is the number of a cell that loom watches. Its content is written before the entry is
//! inserted, read by whoever finds the entry, and written again once the entry is retired and the
//! readers of that time have left. So loom complains where the slots' Release and Acquire do not
//! order these accesses, or where a block could be reached after its retirement. The properties:
//! what is always in the table is always found; what is found covers the key and was in the table;
//! a step of a walk ends; every block comes back.
#![cfg(loom)]

use loom::{
    cell::UnsafeCell,
    model,
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
const CELLS: usize = 8;
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
struct World {
    trie: Trie,
    cells: Vec<UnsafeCell<u64>>,
    readers: AtomicUsize,
    heap: Mutex<Heap>,
}

// SAFETY: the cells are accessed as the trie's entries are, which is what loom checks here.
unsafe impl Sync for World {}
// SAFETY: as above.
unsafe impl Send for World {}

fn geometry() -> Geometry {
    Geometry::new(DATA, 8).expect("valid")
}

impl World {
    /// With these prefixes; prefix `i` has cell `i`.
    fn new(rows: &[(u32, [u8; 4])], readers: usize) -> Arc<Self> {
        let world = Self {
            trie: Trie::new(geometry()),
            cells: (0..CELLS).map(|_| UnsafeCell::new(GONE)).collect(),
            readers: AtomicUsize::new(readers),
            heap: Mutex::new(Heap::default()),
        };
        for (i, (len, data)) in rows.iter().enumerate() {
            world.insert(*len, *data, i);
        }
        Arc::new(world)
    }

    fn insert(&self, len: u32, data: [u8; 4], cell: usize) {
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

    fn remove(&self, len: u32, data: [u8; 4], no_memory: bool) {
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
    fn read<T>(&self, section: impl FnOnce(&Reader) -> T) -> T {
        // SAFETY: `grace` frees only after the counter says that this section has ended.
        let reader = unsafe { Reader::assume() };
        let result = section(&reader);
        // Release: partner of the Acquire in `grace`.
        self.readers.fetch_sub(1, Ordering::Release);
        result
    }

    /// Waits for all readers, then frees what was retired and overwrites the cells of entries that
    /// are gone.
    fn grace(&self, gone: &[usize]) {
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
    fn longest_match(&self, reader: &Reader, key: [u8; 4]) -> Option<u32> {
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
    fn end(self: Arc<Self>) {
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
    }
}

/// Runs a reader beside a writer.
fn beside(
    rows: &'static [(u32, [u8; 4])],
    read: impl Fn(&World, &Reader) + Send + Sync + Clone + 'static,
    write: impl Fn(&World) + Send + Sync + 'static,
) {
    model(move || {
        let world = World::new(rows, 1);
        let reader = thread::spawn({
            let (world, read) = (world.clone(), read.clone());
            move || world.read(|reader| read(&world, reader))
        });
        write(&world);
        reader.join().expect("the reader asserts");
        world.end();
    });
}

#[test]
fn a_published_entry_is_complete() {
    beside(
        &[],
        |world, reader| {
            let found = world.longest_match(reader, [10, 1, 2, 3]);
            assert!(
                matches!(found, None | Some(8 | 16)),
                "what was inserted, or nothing: {found:?}"
            );
        },
        |world| {
            world.insert(8, [10, 0, 0, 0], 0);
            world.insert(16, [10, 1, 0, 0], 1);
        },
    );
}

#[test]
fn a_replaced_entry_is_reclaimed_after_its_readers() {
    beside(
        &[(8, [10, 0, 0, 0]), (16, [10, 1, 0, 0])],
        |world, reader| {
            assert_eq!(
                world.longest_match(reader, [10, 1, 2, 3]),
                Some(16),
                "old or new, one is there"
            )
        },
        |world| {
            world.insert(16, [10, 1, 0, 0], 2);
            world.grace(&[1]);
        },
    );
}

#[test]
fn a_removed_entry_uncovers_the_shorter_one() {
    beside(
        &[(8, [10, 0, 0, 0]), (24, [10, 1, 2, 0]), (24, [10, 1, 3, 0])],
        |world, reader| {
            let found = world.longest_match(reader, [10, 1, 2, 3]);
            assert!(
                matches!(found, Some(8 | 24)),
                "one of the two covers it: {found:?}"
            );
            assert_eq!(
                world.longest_match(reader, [10, 1, 3, 3]),
                Some(24),
                "its neighbour stays, in whatever node"
            );
        },
        |world| {
            world.remove(24, [10, 1, 2, 0], false);
            world.grace(&[1]);
        },
    );
}

#[test]
fn a_split_path_is_never_interrupted() {
    beside(
        &[(8, [0, 0, 0, 0]), (32, [9, 9, 9, 1]), (32, [9, 9, 9, 2])],
        |world, reader| {
            assert_eq!(
                world.longest_match(reader, [9, 9, 9, 2]),
                Some(32),
                "below the split"
            );
            let found = world.longest_match(reader, [9, 8, 7, 7]);
            assert!(
                matches!(found, None | Some(16)),
                "the new branch: {found:?}"
            );
        },
        |world| {
            world.insert(16, [9, 8, 0, 0], 3);
            world.grace(&[]);
        },
    );
}

#[test]
fn vacant_slots_are_passed_over() {
    beside(
        &[
            (8, [10, 0, 0, 0]),
            (9, [10, 0, 0, 0]),
            (16, [10, 200, 0, 0]),
        ],
        |world, reader| {
            let found = world.longest_match(reader, [10, 1, 1, 1]);
            assert!(
                matches!(found, Some(8 | 9)),
                "the longer one, or the one behind it: {found:?}"
            );
            let geometry = geometry();
            let after = Prefix::new(&geometry, 16, &[10, 200, 0, 0]).expect("valid");
            let next = world
                .trie
                .next(reader, Some(after))
                .map(|entry| entry.prefixlen());
            assert_eq!(next, Some(8), "the walk goes on");
        },
        |world| {
            world.remove(9, [10, 0, 0, 0], true);
            world.insert(9, [10, 0, 0, 0], 3);
            world.grace(&[1]);
        },
    );
}

#[test]
fn a_chain_of_nodes_is_unlinked_under_its_readers() {
    beside(
        &[
            (8, [10, 0, 0, 0]),
            (16, [10, 1, 0, 0]),
            (32, [10, 1, 2, 3]),
            (32, [10, 1, 2, 4]),
        ],
        |world, reader| {
            let found = world.longest_match(reader, [10, 1, 2, 3]);
            assert!(
                matches!(found, None | Some(8 | 16 | 32)),
                "one of those that are there in turn: {found:?}"
            );
            let geometry = geometry();
            let after = Prefix::new(&geometry, 32, &[10, 1, 2, 3]).expect("valid");
            let next = world.trie.next(reader, Some(after));
            let next = next.map(|entry| entry.prefixlen());
            assert!(matches!(next, None | Some(8 | 16 | 32)), "a walk ends");
        },
        |world| {
            world.remove(8, [10, 0, 0, 0], true);
            world.remove(16, [10, 1, 0, 0], true);
            world.remove(32, [10, 1, 2, 4], true);
            world.remove(32, [10, 1, 2, 3], true);
            world.grace(&[0, 1, 2, 3]);
        },
    );
}

/// A node with groups: more than two items, under the model checker.
const GROUPED: &[(u32, [u8; 4])] = &[
    (8, [10, 0, 0, 0]),
    (16, [10, 1, 0, 0]),
    (16, [10, 2, 0, 0]),
    (16, [10, 200, 0, 0]),
];

#[test]
fn an_item_is_put_in_place_under_its_readers() {
    beside(
        GROUPED,
        |world, reader| {
            let found = world.longest_match(reader, [10, 3, 1, 1]);
            assert!(
                matches!(found, Some(8 | 16)),
                "beside its neighbours: {found:?}"
            );
            let found = world.longest_match(reader, [10, 100, 1, 1]);
            assert!(
                matches!(found, Some(8 | 10)),
                "in a group of its own: {found:?}"
            );
            assert_eq!(
                world.longest_match(reader, [10, 200, 1, 1]),
                Some(16),
                "what was there is found"
            );
        },
        |world| {
            world.insert(16, [10, 3, 0, 0], 4);
            world.insert(10, [10, 64, 0, 0], 5);
            world.grace(&[]);
        },
    );
}

#[test]
fn an_item_taken_in_place_is_reclaimed_after_its_readers() {
    beside(
        GROUPED,
        |world, reader| {
            let found = world.longest_match(reader, [10, 2, 1, 1]);
            assert!(matches!(found, Some(8 | 16)), "there, or gone: {found:?}");
            let geometry = geometry();
            let after = Prefix::new(&geometry, 16, &[10, 1, 0, 0]).expect("valid");
            let next = world.trie.next(reader, Some(after));
            let next = next.map(|entry| entry.data()[1]);
            assert!(matches!(next, Some(2 | 200)), "the walk goes on: {next:?}");
        },
        |world| {
            world.remove(16, [10, 2, 0, 0], false);
            world.insert(16, [10, 2, 0, 0], 4);
            world.grace(&[2]);
        },
    );
}

#[test]
fn two_writers_and_a_reader() {
    model(|| {
        let world = World::new(&[(8, [10, 0, 0, 0])], 1);
        let writer = thread::spawn({
            let world = world.clone();
            move || world.insert(16, [10, 1, 0, 0], 1)
        });
        let reader = thread::spawn({
            let world = world.clone();
            move || {
                let found = world.read(|reader| world.longest_match(reader, [10, 1, 1, 1]));
                assert!(
                    matches!(found, Some(8 | 16)),
                    "one of the two covers it: {found:?}"
                );
            }
        });
        world.insert(16, [10, 2, 0, 0], 2);
        writer.join().expect("the writer asserts");
        reader.join().expect("the reader asserts");
        assert_eq!(world.trie.len(), 3, "both writers' entries are there");
        world.end();
    });
}
