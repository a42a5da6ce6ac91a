// SPDX-License-Identifier: MIT OR Apache-2.0
//! The longest match: each lookup against a scan of all prefixes.

use anyhow::Result;
use libc::ENOENT;

use crate::{
    check,
    harness::{Test, Type},
    maps::{self, IPV4, value},
    model::{ANY, Model},
    prefix::v4,
};

pub const TESTS: &[Test] = &[
    Test::both("matching_finds_the_longest_of_nested_prefixes", nested),
    Test::both("matching_default_route_covers_everything", default_route),
    Test::both("matching_short_keys_find_no_longer_prefix", short_keys),
    Test::both("matching_ignores_bits_beyond_the_prefixlen", bits_beyond),
    Test::both(
        "matching_all_8_bit_prefixes_agrees_with_the_model",
        all_of_8_bits,
    ),
];

fn nested(on: Type) -> Result<()> {
    let map = maps::create(on, IPV4)?;
    let address = [0b1010_1010; 4];
    for len in 0..=32 {
        map.update(&v4(address, len), &value(u64::from(len)), ANY)?;
    }
    for differing in 0..32u32 {
        let other = (u32::from_be_bytes(address) ^ 1 << (31 - differing)).to_be_bytes();
        let why = format!("an address whose first differing bit is {differing}");
        check::equal(
            map.lookup(&v4(other, 32), 0)?,
            value(u64::from(differing)),
            &why,
        )?;
    }
    // Starting with the longest, each deletion uncovers the next shorter one.
    for len in (1..=32).rev() {
        let why = format!("/{len} is the longest left");
        check::equal(
            map.lookup(&v4(address, 32), 0)?,
            value(u64::from(len)),
            &why,
        )?;
        map.delete(&v4(address, len))?;
    }
    check::equal(map.lookup(&v4(address, 32), 0)?, value(0), "/0 is left")
}

fn default_route(on: Type) -> Result<()> {
    let map = maps::create(on, IPV4)?;
    map.update(&v4([0; 4], 0), &value(1), ANY)?;
    for address in [[0; 4], [127, 0, 0, 1], [255; 4]] {
        check::equal(
            map.lookup(&v4(address, 32), 0)?,
            value(1),
            "/0 covers everything",
        )?;
        check::equal(map.lookup(&v4(address, 0), 0)?, value(1), "/0 covers /0")?;
    }
    map.delete(&v4([255; 4], 0))?;
    check::errno(
        map.lookup(&v4([0; 4], 32), 0),
        ENOENT,
        "/0 is the same whatever its data",
    )
}

fn short_keys(on: Type) -> Result<()> {
    let map = maps::create(on, IPV4)?;
    for len in [8, 16, 24, 32] {
        map.update(&v4([10, 0, 0, 0], len), &value(u64::from(len)), ANY)?;
    }
    for len in 0..=32u32 {
        let key = v4([10, 0, 0, 0], len);
        let why = format!("a key of /{len} matches prefixes up to that length");
        match len / 8 * 8 {
            0 => check::errno(map.lookup(&key, 0), ENOENT, &why)?,
            longest => check::equal(map.lookup(&key, 0)?, value(u64::from(longest)), &why)?,
        }
    }
    Ok(())
}

/// Bits of a key beyond its prefixlen are never significant: not in lookup, not in get_next_key,
/// not in delete.
fn bits_beyond(on: Type) -> Result<()> {
    let map = maps::create(on, IPV4)?;
    for len in [8, 16, 24] {
        map.update(&v4([10, 0, 0, 0], len), &value(u64::from(len)), ANY)?;
    }
    for len in 8..=24u32 {
        let ones = (0x0a00_0000u32 | u32::MAX >> len).to_be_bytes();
        let got = map.lookup(&v4(ones, len), 0)?;
        let why = format!("a key of /{len} whose other bits are set");
        check::equal(got, value(u64::from(len / 8 * 8)), &why)?;
    }
    check::equal(
        map.next_key(Some(&v4([10, 0, 255, 255], 16)))?,
        v4([10, 0, 0, 0], 8),
        "next_key after /16 with other bits beyond",
    )?;
    check::ok(map.delete(&v4([10, 0, 255, 255], 16)), "delete of /16")?;
    check::equal(
        map.lookup(&v4([10, 0, 1, 0], 32), 0)?,
        value(8),
        "/16 was deleted, /8 covers",
    )
}

/// All 511 prefixes of one byte, inserted and deleted in three orders, and after each half of the
/// steps all 511 lookups compared with the model.
fn all_of_8_bits(on: Type) -> Result<()> {
    let prefixes: Vec<(u32, u8)> = (0..=8u32)
        .flat_map(|len| (0..1u32 << len).map(move |bits| (len, (bits << (8 - len)) as u8)))
        .collect();
    check::equal(prefixes.len(), 511, "1 + 2 + 4 + … + 256 prefixes")?;
    let shape = maps::Shape {
        data: 1,
        value: 8,
        max_entries: 511,
    };
    // Steps coprime to 511 = 7 × 73 visit every prefix once.
    for stride in [1, 200, 509] {
        let map = maps::create(on, shape)?;
        let mut model = Model::new(1, 511);
        let order: Vec<_> = (0..511).map(|n| prefixes[n * stride % 511]).collect();
        let key = |(len, byte): (u32, u8)| crate::prefix::Prefix::new(len, &[byte]).key();
        for (n, prefix) in order.iter().enumerate() {
            let number = value(n as u64);
            map.update(&key(*prefix), &number, ANY)?;
            check::equal(
                model.update(&key(*prefix), &number, ANY),
                Ok(()),
                "the model",
            )?;
            if n % 255 == 254 {
                compare(&map, &model, &prefixes)?;
            }
        }
        for (n, prefix) in order.iter().enumerate() {
            map.delete(&key(*prefix))?;
            check::equal(model.delete(&key(*prefix)), Ok(()), "the model")?;
            if n % 255 == 254 {
                compare(&map, &model, &prefixes)?;
            }
        }
        check::errno(map.next_key(None), ENOENT, "the map is empty")?;
    }
    Ok(())
}

fn compare(map: &raw_bpf::RawMap, model: &Model, prefixes: &[(u32, u8)]) -> Result<()> {
    for (len, byte) in prefixes {
        let key = crate::prefix::Prefix::new(*len, &[*byte]).key();
        let got = map
            .lookup(&key, 0)
            .map_err(|error| error.raw_os_error().unwrap_or(0));
        let why = format!(
            "lookup of {byte:#010b}/{len} among {} prefixes",
            model.len()
        );
        check::equal(got, model.lookup(&key), &why)?;
    }
    Ok(())
}
