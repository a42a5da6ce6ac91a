// SPDX-License-Identifier: GPL-2.0
//! Readers beside a writer, on real threads: what is always there is always found, and a value is
//! never a torn one.

use super::{fixture::row, heap::Heap};
use crate::{Geometry, Memory, Mode, NewEntry, Prefix, Reader, Trie};
use core::sync::atomic::{AtomicBool, Ordering};
use std::thread;

#[test]
fn what_stays_is_always_found() {
    let rounds: u32 = if cfg!(miri) { 30 } else { 20_000 };
    let geometry = Geometry::new(4, 8).expect("valid");
    let mut trie = Trie::new(geometry);
    let mut heap = Heap::default();
    let put = |trie: &Trie, heap: &mut Heap, len: u32, data: [u8; 4]| {
        let block = heap
            .alloc(geometry.entry_layout())
            .expect("no budget is set");
        let value = u64::from(len) << 32 | u64::from(u32::from_be_bytes(data));
        // SAFETY: a fresh block whose value has 8 bytes.
        unsafe { block.cast::<u64>().write(value) };
        let prefix = Prefix::new(&geometry, len, &data).expect("valid");
        // SAFETY: this thread is the only writer; retired blocks are kept until the end.
        let result = unsafe {
            trie.writer()
                .insert(heap, prefix, Mode::Any, u64::MAX, NewEntry::new(block))
        };
        assert!(result.is_ok(), "memory does not fail");
    };
    for i in 0..8 {
        put(&trie, &mut heap, 16, [10, i, 0, 0]);
    }
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                // SAFETY: retired blocks are kept until the threads have ended.
                let reader = unsafe { Reader::assume() };
                let mut i = 0u8;
                // Relaxed would do for a flag; Acquire pairs with the Release below so the last
                // round sees everything.
                while !done.load(Ordering::Acquire) {
                    i = i.wrapping_add(1);
                    let key = [10, i % 8, i / 2, i];
                    let prefix = Prefix::new(&geometry, 32, &key).expect("valid");
                    let found = trie
                        .longest_match(&reader, prefix)
                        .map(|entry| row(&entry, 4))
                        .expect("a /16 covers it");
                    let value = u64::from(found.prefixlen) << 32
                        | u64::from(u32::from_be_bytes(found.data.clone().try_into().unwrap()));
                    assert_eq!(found.value, value, "an entry is complete when it is seen");
                    assert!(
                        found.prefixlen >= 16 && found.data[..2] == key[..2],
                        "and covers the key: {found:?}"
                    );
                    let next = trie.next(&reader, Some(prefix)).map(|entry| row(&entry, 4));
                    assert!(
                        next.is_some(),
                        "an unknown key, or one that is never last, has a next one"
                    );
                }
            });
        }
        let mut random = 1u32;
        for _ in 0..rounds {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let [a, b, c, d] = random.to_be_bytes();
            let (len, data) = (17 + u32::from(d) % 15, [10, a % 8, b, c]);
            if d & 64 == 0 {
                put(&trie, &mut heap, len, data);
            } else {
                // SAFETY: as above.
                let mut writer = unsafe { trie.writer() };
                let prefix = Prefix::new(&geometry, len, &data).expect("valid");
                // One reserve, and sometimes no memory for a copy, so that there are vacant slots.
                heap.budget = (a & 1 == 0).then_some(1);
                let _ = writer.remove(&mut heap, prefix);
                heap.budget = None;
            }
        }
        done.store(true, Ordering::Release);
    });
    // SAFETY: the trie gives up a block of the heap, and no value is used any more.
    let free = |block, layout| unsafe { heap.free(block, layout) };
    trie.clear(free, || {});
}
