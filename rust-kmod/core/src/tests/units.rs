// SPDX-License-Identifier: GPL-2.0
//! The promises of the interface, one by one, on small tables.

use super::fixture::Fixture;
use crate::{
    changes::{undisturbed, Disturbed},
    memory::Memory,
    packed::PACKED,
    Error, Geometry, Mode, Outcome, Prefix, Trie,
};
use core::alloc::Layout;

const ANY: Mode = Mode::Any;

#[test]
fn geometry_is_limited() {
    assert!(Geometry::new(0, 8).is_none(), "a key has a byte");
    assert!(
        Geometry::new(257, 8).is_none(),
        "a key has at most 256 bytes"
    );
    assert!(Geometry::new(256, 0).is_none(), "a value has a byte");
    assert!(Geometry::new(4, 1 << 30).is_some(), "and at most 1 GiB");
    assert!(Geometry::new(4, (1 << 30) + 1).is_none(), "and no more");
    let ipv4 = Geometry::new(4, 8).expect("valid");
    assert_eq!(ipv4.max_prefixlen(), 32, "8 bits a byte");
    assert_eq!(
        ipv4.largest_entry(),
        Layout::from_size_align(14, 16).unwrap(),
        "an IPv4 entry fits a block of 16 bytes"
    );
    let odd = Geometry::new(5, 3).expect("valid");
    assert_eq!(
        odd.largest_entry().size(),
        4 + 2 + 5,
        "prefixlen is at an even offset"
    );
}

#[test]
fn a_reader_that_is_disturbed_again_and_again_gives_up() {
    let passes = |disturbed: u32| {
        let mut passes = 0;
        let found = undisturbed(|| {
            passes += 1;
            if passes <= disturbed {
                Err(Disturbed)
            } else {
                Ok(passes)
            }
        });
        (found, passes)
    };
    assert_eq!(passes(0), (Ok(1), 1), "nothing changed");
    assert_eq!(passes(2), (Ok(3), 3), "the first two were disturbed");
    assert_eq!(passes(u32::MAX), (Err(Disturbed), 8), "all were");
}

#[test]
fn zeroes_beyond_a_prefix_take_no_space() {
    let size = |data: &[u8], len| {
        let geometry = Geometry::new(data.len() as u16, 8).expect("valid");
        let prefix = Prefix::new(&geometry, len, data).expect("valid");
        geometry.entry_layout(prefix).size()
    };
    let mut ipv6 = [0; 16];
    ipv6[..6].copy_from_slice(&[0x20, 1, 0xd, 0xb8, 0, 1]);
    assert_eq!(size(&ipv6, 48), 16, "an IPv6 network of 48 bits");
    assert_eq!(size(&ipv6, 64), 26, "a longer one");
    assert_eq!(size(&ipv6, 47), 26, "one with host bits");
    let mut path = [0; 256];
    path[..100].fill(b'a');
    assert_eq!(size(&path, 800), 110, "a path of 100 bytes");
    assert_eq!(size(&path, 799), 266, "a bit beyond it");
    assert_eq!(size(&path, 0), 266, "a hundred bytes beyond it");
    assert_eq!(size(&[0; 256], 0), 16, "the default");
    assert_eq!(size(&[255; 256], 2_048), 266, "the longest");
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
        matches!(f.trie.longest_match(&reader, prefix), Ok(None)),
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
fn a_difference_in_skipped_bytes_matches_nothing_below() {
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
        "absence is reported before fullness"
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
fn long_data_keeps_the_bits_beyond_prefixlen() {
    let mut f = Fixture::new(16);
    let mut data = [0x20; 16];
    for len in [0, 40, 47, 48, 49, 100, 128] {
        f.insert((len, &data), 1, ANY)
            .expect("memory does not fail");
        assert_eq!(f.next(None).expect("one entry").data, data, "as given");
        assert!(
            f.longest_match((128, &data)).is_some(),
            "/{len} is compared by its own bits"
        );
        f.remove((len, &data)).expect("it is there");
        f.check(false);
        data[15] += 1;
    }
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
            "inserting neighbours does not move it"
        );
    }
    f.check(false);
    for i in (0..=255).step_by(step) {
        f.remove((32, &[1, 2, 3, i])).expect("it is there");
        assert_eq!(address(&f.trie), before, "nor does removing them");
    }
    assert_eq!(before.addr().get() % 8, 0, "it is aligned");
}

#[test]
fn a_full_node_matches_and_walks_all_its_items() {
    let mut f = Fixture::new(2);
    // Under Miri, a sample of the values of each length.
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
fn insertions_in_order_find_spare_slots() {
    let mut f = Fixture::new(4);
    for i in 0..PACKED as u8 {
        f.insert((16, &[10, i, 0, 0]), i.into(), ANY)
            .expect("memory does not fail");
    }
    assert_eq!(f.heap.retired(), 5, "nodes of 3, 6, 7, 15 and 23 items");
    f.check(false);
}

#[test]
fn children_of_a_full_node_change_in_place() {
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
    for i in [100, 200, 254] {
        f.insert((16, &key(i)), i.into(), ANY)
            .expect("memory does not fail");
    }
    assert_eq!(f.heap.retired(), 0, "nothing is copied");
    for i in [100, 200] {
        let data = [10, i & 0x80, 0, 0];
        f.insert((9, &data), 0, ANY).expect("memory does not fail");
    }
    assert_eq!(f.heap.retired(), 1, "the packed part, with room for two");
    f.check(false);
    assert_eq!(
        f.trie.bytes(),
        bytes + 5 * entry,
        "five entries came, and no larger node"
    );
    for i in [100, 200, 254] {
        f.remove((16, &key(i))).expect("it is there");
        let found = f.longest_match((32, &key(i))).map(|row| row.prefixlen);
        assert_eq!(found, Some(9), "the next shorter one is uncovered");
    }
    f.remove((9, &key(0))).expect("it is there");
    assert_eq!(f.heap.retired(), 4, "the entries, and no node");
    f.check(false);
    for i in 20..=PACKED as u8 {
        f.remove((16, &key(i))).expect("it is there");
    }
    f.check(false);
    let (bytes, fresh) = (f.trie.bytes(), f.fresh_bytes());
    assert!(
        bytes < 2 * fresh,
        "a packed node took over: {bytes}, {fresh}"
    );
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
        "and so say the counters"
    );
    f.model.rows.clear();
    assert_eq!(
        f.insert((8, &[1, 0, 0, 0]), 0, ANY),
        Ok(Outcome::Inserted),
        "the trie is usable again"
    );
    f.check(false);
}
