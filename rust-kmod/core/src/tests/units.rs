// SPDX-License-Identifier: GPL-2.0
//! The promises of the interface, one by one, on small tables.

use super::fixture::Fixture;
use crate::{groups::PACKED, memory::Memory, Error, Geometry, Mode, Outcome, Prefix, Trie};
use core::alloc::Layout;

const ANY: Mode = Mode::Any;

#[test]
fn geometry_has_limits() {
    assert!(Geometry::new(0, 8).is_none(), "a key has a byte");
    assert!(
        Geometry::new(257, 8).is_none(),
        "a key has at most 256 bytes"
    );
    assert!(Geometry::new(256, 0).is_none(), "a value has a byte");
    let ipv4 = Geometry::new(4, 8).expect("valid");
    assert_eq!(ipv4.max_prefixlen(), 32, "8 bits a byte");
    assert_eq!(
        ipv4.entry_layout(),
        Layout::from_size_align(14, 8).unwrap(),
        "an IPv4 entry fits a block of 16 bytes"
    );
    let odd = Geometry::new(5, 3).expect("valid");
    assert_eq!(
        odd.entry_layout().size(),
        4 + 2 + 5,
        "prefixlen is at an even offset"
    );
}

#[test]
fn prefixes_are_checked_against_the_geometry() {
    let geometry = Geometry::new(4, 8).expect("valid");
    assert!(
        Prefix::new(&geometry, 33, &[0; 4]).is_none(),
        "longer than the key"
    );
    assert!(
        Prefix::new(&geometry, 8, &[0; 3]).is_none(),
        "too little data"
    );
    assert!(
        Prefix::new(&geometry, 32, &[0; 4]).is_some(),
        "the longest is fine"
    );
}

#[test]
fn a_prefix_of_another_geometry_finds_nothing() {
    let mut f = Fixture::new(4);
    f.insert((0, &[0; 4]), 1, ANY)
        .expect("memory does not fail");
    let other = Geometry::new(2, 8).expect("valid");
    let prefix = Prefix::new(&other, 16, &[0; 2]).expect("valid");
    // SAFETY: nothing is freed while it lives.
    let reader = unsafe { crate::Reader::assume() };
    assert!(
        f.trie.longest_match(&reader, prefix).is_none(),
        "a key of another size is not looked up"
    );
    // SAFETY: one thread.
    assert!(
        unsafe { f.trie.writer() }.position(prefix).is_err(),
        "nor found"
    );
    // SAFETY: one thread.
    let mut writer = unsafe { f.trie.writer() };
    assert_eq!(
        writer.remove(&mut f.heap, prefix),
        Err(Error::Missing),
        "nor removed"
    );
}

#[test]
fn the_longest_covering_prefix_wins() {
    let mut f = Fixture::new(4);
    for (len, data, value) in [
        (0, [0; 4], 0),
        (8, [10, 0, 0, 0], 8),
        (16, [10, 1, 0, 0], 16),
        (24, [10, 1, 2, 0], 24),
        (25, [10, 1, 2, 128], 25),
        (32, [10, 1, 2, 200], 32),
    ] {
        f.insert((len, &data), value, ANY)
            .expect("memory does not fail");
        f.check(false);
    }
    let value = |key: [u8; 4], len| f.longest_match((len, &key)).map(|row| row.value);
    assert_eq!(value([10, 1, 2, 200], 32), Some(32), "a host route");
    assert_eq!(
        value([10, 1, 2, 201], 32),
        Some(25),
        "one bit beyond a byte boundary"
    );
    assert_eq!(value([10, 1, 2, 1], 32), Some(24), "at a byte boundary");
    assert_eq!(
        value([10, 1, 3, 1], 32),
        Some(16),
        "no child for the third byte"
    );
    assert_eq!(
        value([10, 2, 3, 1], 32),
        Some(8),
        "no child for the second byte"
    );
    assert_eq!(value([11, 2, 3, 1], 32), Some(0), "the default");
    assert_eq!(
        value([10, 1, 2, 200], 31),
        Some(25),
        "a key matches prefixes up to its own length"
    );
    assert_eq!(
        value([10, 1, 2, 200], 24),
        Some(24),
        "also where it ends at a byte boundary"
    );
    assert_eq!(value([10, 1, 2, 200], 23), Some(16), "and before it");
    assert_eq!(value([10, 1, 2, 200], 0), Some(0), "down to nothing");
}

#[test]
fn nothing_beside_a_skipped_path_is_found() {
    let mut f = Fixture::new(16);
    let at = |i: usize, byte: u8| {
        let mut data = [0u8; 16];
        data[i] = byte;
        data
    };
    f.insert((0, &[0; 16]), 1, ANY)
        .expect("memory does not fail");
    f.insert((120, &at(14, 1)), 2, ANY)
        .expect("memory does not fail");
    f.insert((120, &at(14, 2)), 3, ANY)
        .expect("memory does not fail");
    f.check(false);
    let key = |i| {
        let mut data = at(14, 1);
        data[i] = 9;
        data
    };
    for i in 0..14 {
        let found = f.longest_match((128, &key(i))).map(|row| row.value);
        assert_eq!(
            found,
            Some(1),
            "a difference in skipped byte {i} leads back to the default"
        );
    }
    assert_eq!(
        f.longest_match((128, &at(14, 1))).map(|row| row.value),
        Some(2),
        "without it, to the prefix"
    );
    f.insert((64, &[0; 16]), 4, ANY)
        .expect("memory does not fail");
    f.check(false);
    assert_eq!(
        f.longest_match((128, &key(10))).map(|row| row.value),
        Some(4),
        "the skip was split at byte 8"
    );
}

#[test]
fn modes_and_the_limit_follow_lpm_trie() {
    let mut f = Fixture::new(4);
    f.max_entries = 1;
    let (a, b) = ((8, &[10, 0, 0, 0][..]), (8, &[11, 0, 0, 0][..]));
    assert_eq!(
        f.insert(a, 1, Mode::Exist),
        Err(Error::Missing),
        "BPF_EXIST on an absent prefix"
    );
    assert_eq!(
        f.insert(a, 1, Mode::NoExist),
        Ok(Outcome::Inserted),
        "BPF_NOEXIST on an absent prefix"
    );
    assert_eq!(
        f.insert(a, 2, Mode::NoExist),
        Err(Error::Exists),
        "BPF_NOEXIST on a present prefix"
    );
    assert_eq!(
        f.insert(b, 3, Mode::Any),
        Err(Error::Full),
        "no room for another one"
    );
    assert_eq!(
        f.insert(b, 3, Mode::Exist),
        Err(Error::Missing),
        "absent is said before full"
    );
    assert_eq!(
        f.insert(a, 4, Mode::Any),
        Ok(Outcome::Replaced),
        "a replacement needs no room"
    );
    assert_eq!(
        f.longest_match((32, &[10, 9, 9, 9])).map(|row| row.value),
        Some(4),
        "the value is the new one"
    );
}

#[test]
fn data_keeps_the_bits_beyond_prefixlen() {
    let mut f = Fixture::new(4);
    f.insert((8, &[10, 1, 2, 3]), 1, ANY)
        .expect("memory does not fail");
    assert_eq!(
        f.next(None).expect("one entry").data,
        [10, 1, 2, 3],
        "as given"
    );
    assert_eq!(
        f.insert((8, &[10, 9, 9, 9]), 2, Mode::NoExist),
        Err(Error::Exists),
        "they do not make another prefix"
    );
    assert_eq!(
        f.insert((8, &[10, 9, 9, 9]), 2, ANY),
        Ok(Outcome::Replaced),
        "a replacement brings its own"
    );
    assert_eq!(
        f.next(None).expect("one entry").data,
        [10, 9, 9, 9],
        "as given last"
    );
}

#[test]
fn a_value_stays_where_it_is() {
    let step = if cfg!(miri) { 32 } else { 1 };
    let mut f = Fixture::new(4);
    f.insert((24, &[1, 2, 3, 0]), 7, ANY)
        .expect("memory does not fail");
    let geometry = f.geometry();
    let prefix = Prefix::new(&geometry, 24, &[1, 2, 3, 0]).expect("valid");
    let address = |trie: &Trie| {
        // SAFETY: one thread.
        let position = unsafe { trie.writer() }.position(prefix).expect("valid");
        position.entry().expect("it is there").value_ptr()
    };
    let before = address(&f.trie);
    for i in (0..=255).step_by(step) {
        f.insert((32, &[1, 2, 3, i]), 0, ANY)
            .expect("memory does not fail");
        f.insert((16, &[1, i, 0, 0]), 0, ANY)
            .expect("memory does not fail");
        assert_eq!(
            address(&f.trie),
            before,
            "neighbours come without moving it"
        );
    }
    f.check(false);
    for i in (0..=255).step_by(step) {
        f.remove((32, &[1, 2, 3, i])).expect("it is there");
        assert_eq!(address(&f.trie), before, "and go");
    }
    assert_eq!(before.addr().get() % 8, 0, "it is aligned");
}

#[test]
fn a_full_node_is_right() {
    let mut f = Fixture::new(2);
    // Miri takes a sample of the lengths' values.
    let step = if cfg!(miri) { 15 } else { 1 };
    for len in 0..=8u32 {
        for value in (0..1u32 << len).step_by(step) {
            let byte = (value << (8 - len)) as u8;
            f.insert((len, &[byte, 0]), u64::from(1 << len | value), ANY)
                .expect("memory does not fail");
        }
    }
    f.check(false);
    for byte in (0..=255u8).step_by(step) {
        let found = f.longest_match((16, &[byte, 1])).map(|row| row.value);
        assert_eq!(found, Some(256 | u64::from(byte)), "the longest of nine");
    }
    assert_eq!(f.walk(), f.model.rows, "all 511 items are walked in order");
}

#[test]
fn nodes_of_many_items_change_in_place() {
    let mut f = Fixture::new(4);
    let key = |i: u8| [10, i, 0, 0];
    for i in 0..=PACKED as u8 {
        f.insert((16, &key(i)), i.into(), ANY)
            .expect("memory does not fail");
    }
    f.check(false);
    let bytes = f.trie.bytes();
    // An entry's block is not the node's.
    let entry = 16;
    for i in [100, 200, 201] {
        f.insert((16, &key(i)), i.into(), ANY)
            .expect("memory does not fail");
        f.insert((9, &[10, i & 0x80, 0, 0]), i.into(), Mode::Any)
            .expect("memory does not fail");
    }
    assert_eq!(f.heap.retired(), 1, "the second /9 beside 10.128/9");
    f.check(false);
    assert_eq!(
        f.trie.bytes(),
        bytes + 5 * entry,
        "five entries came, and no block for the node"
    );
    for i in [100, 200, 201] {
        f.remove((16, &key(i))).expect("it is there");
        let found = f.longest_match((32, &key(i))).map(|row| row.prefixlen);
        assert_eq!(found, Some(9), "the next shorter one is uncovered");
    }
    assert_eq!(f.heap.retired(), 3, "the entries, and no node");
    f.check(false);
    for i in 0..4 {
        f.remove((16, &key(i))).expect("it is there");
    }
    f.check(false);
    assert_eq!(f.trie.bytes(), f.fresh_bytes(), "a smaller node took over");
}

#[test]
fn clear_pauses_and_frees_everything() {
    let mut f = Fixture::new(4);
    let entries = if cfg!(miri) { 300 } else { 2000 };
    for i in 0..entries {
        let data = u32::wrapping_mul(i, 0x9e37_79b9).to_be_bytes();
        f.insert((8 + i % 25, &data), 0, ANY)
            .expect("memory does not fail");
    }
    f.heap.grace();
    let blocks = f.heap.live().count();
    let mut pauses = 0;
    let heap = &mut f.heap;
    // SAFETY: the trie gives up a block of the heap, and no value is used any more.
    let free = |block, layout| unsafe { heap.free(block, layout) };
    f.trie.clear(free, || pauses += 1);
    assert_eq!(pauses, blocks / 256, "a pause after each 256 blocks");
    assert_eq!(f.heap.live().count(), 0, "no block is left");
    assert_eq!(
        (f.trie.len(), f.trie.bytes()),
        (0, 0),
        "the counters say so"
    );
    f.model.rows.clear();
    assert_eq!(
        f.insert((8, &[1, 0, 0, 0]), 0, ANY),
        Ok(Outcome::Inserted),
        "the trie is usable again"
    );
    f.check(false);
}

#[test]
fn a_direct_root_merges_short_and_long_prefixes() {
    // Miri takes long for each look at half a megabyte of slots, and checks at the end only.
    let mut f = Fixture::with_direct_root(4);
    let empty = f.trie.bytes();
    assert_eq!(
        empty,
        Trie::DIRECT_LAYOUT.size() as u64,
        "the root is counted"
    );
    let rows: [(u32, [u8; 4]); 10] = [
        (0, [0; 4]),
        (7, [10, 0, 0, 0]),
        (8, [10, 0, 0, 0]),
        (15, [10, 2, 0, 0]),
        (16, [10, 1, 0, 0]),
        (16, [10, 3, 0, 0]),
        (24, [10, 1, 2, 0]),
        (32, [10, 3, 9, 9]),
        (9, [200, 128, 0, 0]),
        (30, [255, 255, 255, 252]),
    ];
    for (i, (len, data)) in rows.iter().enumerate() {
        f.insert((*len, data), i as u64, ANY)
            .expect("memory does not fail");
        f.check(false);
        assert_eq!(
            f.walk(),
            f.model.rows,
            "short ones come after the slots that they cover"
        );
    }
    let value = |key: [u8; 4], len| f.longest_match((len, &key)).map(|row| row.value);
    assert_eq!(value([10, 1, 2, 3], 32), Some(6), "below its slot");
    assert_eq!(value([10, 1, 3, 3], 32), Some(4), "the slot's own prefix");
    assert_eq!(
        value([10, 2, 3, 3], 32),
        Some(3),
        "a short prefix, where the slot is empty"
    );
    assert_eq!(
        value([10, 3, 3, 3], 15),
        Some(3),
        "a short key sees short prefixes only"
    );
    assert_eq!(value([200, 200, 3, 3], 32), Some(8), "a short leaf");
    assert_eq!(value([1, 1, 1, 1], 32), Some(0), "the default");
    for (len, data) in rows.iter().rev() {
        f.remove((*len, data)).expect("it is there");
        if !cfg!(miri) {
            f.check(false);
            assert_eq!(f.walk(), f.model.rows, "and go again");
        }
    }
    assert_eq!(f.trie.bytes(), empty, "only the root is left");
}
