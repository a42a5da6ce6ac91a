// SPDX-License-Identifier: GPL-2.0
//! Readers alongside a writer, on real threads: what is always there is always found, a value is
//! never torn, and a lookup finds what was the longest match at some moment.

use super::{
    fixture::{row, Fixture},
    heap::Heap,
    model::{order, Row},
};
use crate::{Disturbed, Memory, Mode, NewEntry, Prefix, Reader, Trie};
use core::sync::atomic::{AtomicBool, Ordering};
use std::{thread, vec::Vec};

/// Reads until nothing disturbs it. The kernel would keep writers out.
fn again<T>(mut read: impl FnMut() -> Result<T, Disturbed>) -> T {
    loop {
        if let Ok(found) = read() {
            return found;
        }
    }
}

/// Inserts a prefix with its length and data for a value.
fn put(trie: &Trie, heap: &mut Heap, len: u32, data: [u8; 4]) {
    let geometry = trie.geometry();
    let prefix = Prefix::new(geometry, len, &data).expect("valid");
    let block = heap
        .alloc(geometry.entry_layout(prefix))
        .expect("no budget is set");
    let value = u64::from(len) << 32 | u64::from(u32::from_be_bytes(data));
    // SAFETY: a fresh block whose value has 8 bytes.
    unsafe { block.cast::<u64>().write(value) };
    // SAFETY: one thread is the only writer; retired blocks are kept until the end.
    let result = unsafe {
        trie.writer()
            .insert(heap, prefix, Mode::Any, u64::MAX, NewEntry::new(block))
    };
    assert!(result.is_ok(), "memory does not fail");
}

/// Removes a prefix, if it is there.
fn take(trie: &Trie, heap: &mut Heap, len: u32, data: [u8; 4]) {
    let prefix = Prefix::new(trie.geometry(), len, &data).expect("valid");
    // SAFETY: as above.
    let _ = unsafe { trie.writer() }.remove(heap, prefix);
}

/// Readers look up a key while the writer repeatedly puts `short` and `long`, which cover it,
/// through `states`; what they find is one of `allowed`.
fn look_during(
    short: (u32, [u8; 4]),
    long: (u32, [u8; 4]),
    states: &[(bool, bool)],
    allowed: &[Option<u32>],
) {
    const KEY: [u8; 4] = [10, 0x50, 1, 1];
    let rounds = if cfg!(miri) { 5 } else { 2_000 };
    let mut fixture = Fixture::new(4);
    let Fixture { trie, heap, .. } = &mut fixture;
    let (trie, geometry) = (&*trie, *trie.geometry());
    // Neighbours, so that the nodes have many items and are changed in place.
    for i in 0..30 {
        put(trie, heap, 16, [10, 128 + i, 0, 0]);
        put(trie, heap, 24, [10, 0x50, 128 + i, 0]);
    }
    let set = |heap: &mut Heap, (len, data): (u32, [u8; 4]), there: bool| {
        if there {
            put(trie, heap, len, data);
        } else {
            take(trie, heap, len, data);
        }
    };
    set(heap, short, states[0].0);
    set(heap, long, states[0].1);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                // SAFETY: retired blocks are kept until the threads have ended.
                let reader = unsafe { Reader::assume() };
                let prefix = Prefix::new(&geometry, 32, &KEY).expect("valid");
                // Acquire: partner of the Release below.
                while !done.load(Ordering::Acquire) {
                    let found = again(|| trie.longest_match(&reader, prefix))
                        .map(|entry| entry.prefixlen());
                    assert!(
                        allowed.contains(&found),
                        "/{} and /{}: this was never the longest match: {found:?}",
                        short.0,
                        long.0
                    );
                }
            });
        }
        for _ in 0..rounds {
            for (has_short, has_long) in states {
                set(heap, short, *has_short);
                set(heap, long, *has_long);
            }
        }
        done.store(true, Ordering::Release);
    });
}

#[test]
fn a_lookup_finds_what_was_the_longest_match_at_some_moment() {
    for (short, long) in [
        ((8, [10, 0, 0, 0]), (9, [10, 0, 0, 0])),
        ((9, [10, 0, 0, 0]), (17, [10, 0x50, 0, 0])),
        ((16, [10, 0x50, 0, 0]), (32, [10, 0x50, 1, 1])),
        ((0, [0; 4]), (7, [10, 0, 0, 0])),
        ((8, [10, 0, 0, 0]), (15, [10, 0x50, 0, 0])),
        ((12, [10, 0x50, 0, 0]), (17, [10, 0x50, 0, 0])),
    ] {
        let (s, l) = (Some(short.0), Some(long.0));
        let one_is_there = [(true, false), (true, true), (false, true), (true, true)];
        look_during(short, long, &one_is_there, &[s, l]);
        let never_the_short_one_alone =
            [(false, false), (false, true), (true, true), (false, true)];
        look_during(short, long, &never_the_short_one_alone, &[None, l]);
    }
}

/// Two readers call `read`, with a number that counts up, while the writer puts and takes the
/// prefixes that `prefix` makes of random bytes; those of `staying` are there all the time.
fn read_during_churn(
    staying: &[(u32, [u8; 4])],
    prefix: fn([u8; 4]) -> (u32, [u8; 4]),
    read: impl Fn(&Trie, &Reader, u8) + Sync,
) {
    let rounds = if cfg!(miri) { 30 } else { 20_000 };
    let mut fixture = Fixture::new(4);
    let Fixture { trie, heap, .. } = &mut fixture;
    let trie = &*trie;
    for (len, data) in staying {
        put(trie, heap, *len, *data);
    }
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                // SAFETY: retired blocks are kept until the threads have ended.
                let reader = unsafe { Reader::assume() };
                let mut count = 0u8;
                // Relaxed would do for a flag; Acquire pairs with the Release below so that the
                // last round sees everything.
                while !done.load(Ordering::Acquire) {
                    count = count.wrapping_add(1);
                    read(trie, &reader, count);
                }
            });
        }
        let mut random = 1u32;
        for _ in 0..rounds {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let bytes = random.to_be_bytes();
            let (len, data) = prefix(bytes);
            if bytes[3] & 64 == 0 {
                put(trie, heap, len, data);
            } else {
                // One reserve, and sometimes no memory for a copy, so that there are vacant slots.
                heap.budget = (bytes[0] & 1 == 0).then_some(1);
                take(trie, heap, len, data);
                heap.budget = None;
            }
        }
        done.store(true, Ordering::Release);
    });
}

#[test]
fn what_stays_is_always_found() {
    let staying: Vec<_> = (0..8).map(|i| (16, [10, i, 0, 0])).collect();
    let prefix = |[a, b, c, d]: [u8; 4]| (17 + u32::from(d) % 15, [10, a % 8, b, c]);
    read_during_churn(&staying, prefix, |trie, reader, i| {
        let key = [10, i % 8, i / 2, i];
        let prefix = Prefix::new(trie.geometry(), 32, &key).expect("valid");
        let found = again(|| trie.longest_match(reader, prefix))
            .map(|entry| row(&entry, 4))
            .expect("a /16 covers it");
        let value = u64::from(found.prefixlen) << 32
            | u64::from(u32::from_be_bytes(found.data.clone().try_into().unwrap()));
        assert_eq!(found.value, value, "an entry is complete when it is seen");
        assert!(
            found.prefixlen >= 16 && found.data[..2] == key[..2],
            "and covers the key: {found:?}"
        );
        let next = again(|| trie.next(reader, Some(prefix))).map(|entry| row(&entry, 4));
        assert!(
            next.is_some(),
            "a key that is unknown, or never the last one, has a successor"
        );
    });
}

#[test]
fn a_walk_visits_what_stays_once_and_in_order() {
    let stays = |row: &Row| row.prefixlen == 16 || row.data[2] < 8;
    let staying = (0..8).flat_map(|i| [(16, [10, i, 0, 0]), (26, [10, i, i, 0])]);
    let staying: Vec<_> = staying.collect();
    // Between the prefixes that stay.
    let prefix = |[a, b, c, d]: [u8; 4]| (17 + u32::from(d) % 16, [10, a % 8, 64 | (b % 8), c]);
    read_during_churn(&staying, prefix, |trie, reader, i| {
        let chunk = if i % 2 == 0 { 1 } else { 5 };
        let mut rows: Vec<Row> = Vec::new();
        loop {
            let (last, before) = (rows.last().cloned(), rows.len());
            let position = last
                .as_ref()
                .map(|row| Prefix::new(trie.geometry(), row.prefixlen, &row.data).expect("valid"));
            again(|| {
                trie.walk(reader, position, |entry| {
                    rows.push(row(&entry, 4));
                    rows.len() - before < chunk
                })
            });
            if rows.len() == before {
                break;
            }
        }
        for pair in rows.windows(2) {
            let (a, b) = (&pair[0], &pair[1]);
            assert!(
                order((a.prefixlen, &a.data), (b.prefixlen, &b.data)).is_lt(),
                "a walk does not go back: {a:?}, {b:?}"
            );
        }
        let stayed = rows.iter().filter(|row| stays(row)).count();
        assert_eq!(stayed, 16, "what stays is visited");
    });
}
