// SPDX-License-Identifier: MIT OR Apache-2.0
//! `lpm` on whole tables: load, diff, replace, and the swap of a map in an outer one.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::Path,
};

use anyhow::{Context, Result};
use ipnet::Ipv4Net;
use lpm_mtrie::{BytePrefix, Bytes, LpmMap, OuterMap};
use raw_bpf::RawMap;
use serde_json::json;

use super::{
    cli::{counts, expect, file, json_lines, lpm, pinned, text},
    library::{Routes, all, net},
    pinning::Pin,
};
use crate::{
    check,
    harness::{Test, Type},
    prefix::v4,
};

pub const TESTS: &[Test] = &[
    Test::both("cli_diffs_and_replaces", replaces),
    Test::both("cli_replace_refuses_what_does_not_fit", does_not_fit),
    Test::both("cli_load_refuses_what_does_not_fit", load_does_not_fit),
    Test::both("cli_diff_ignores_padding", padding),
    Test::both("cli_swaps_a_whole_table", swaps),
    Test::both(
        "cli_swap_keeps_btf_and_the_pin_s_rights",
        swap_is_like_the_old_one,
    ),
    Test::both("cli_swap_that_fails_leaves_no_pin", swap_that_fails),
    Test::both("cli_swap_that_cannot_pin_swaps_nothing", swap_without_a_pin),
];

fn replaces(on: Type) -> Result<()> {
    let (pin, map) = pinned(on, "cli_diffs")?;
    for (prefix, value) in [("10.0.0.0/8", 1), ("11.0.0.0/8", 2), ("12.0.0.0/8", 3)] {
        map.insert(&net(prefix), &value)?;
    }
    let path = text(pin.path())?;
    let wanted = file(
        "cli_wanted.txt",
        "11.0.0.0/8 2\n12.0.0.0/8 4\n13.0.0.0/8 5\n",
    )?;
    let wanted = text(&wanted)?;
    let difference = "- 10.0.0.0/8 1\n- 12.0.0.0/8 3\n+ 12.0.0.0/8 4\n+ 13.0.0.0/8 5\n";
    expect(&["diff", path, wanted], 1, difference)?;
    let run = lpm(&["diff", path, wanted, "--json"])?;
    let first = json_lines(&run.out)?.swap_remove(0);
    let want = json!({ "change": "-", "prefix": "10.0.0.0/8", "length": 8, "value": 1 });
    check::equal(first, want, "a difference in JSON")?;
    let colored = lpm(&["diff", path, wanted, "--color", "always"])?;
    check::holds(
        colored.out.starts_with("\x1b[31m- 10.0.0.0/8 1\x1b[0m\n"),
        "what is removed is red",
    )?;
    let changes = "added 1, changed 1, removed 1 entries\n";
    expect(&["replace", path, wanted], 0, changes)?;
    expect(&["diff", path, wanted], 0, "")?;
    let nothing = "added 0, changed 0, removed 0 entries\n";
    expect(&["replace", path, wanted], 0, nothing)?;
    let empty = text(&file("cli_empty.txt", "# nothing\n")?)?.to_owned();
    let run = lpm(&["replace", path, &empty])?;
    check::equal(run.status, 2, "a list without entries")?;
    check::equal(map.iter().count(), 3, "they stay")?;
    let removed = "added 0, changed 0, removed 3 entries\n";
    expect(&["replace", path, &empty, "--allow-empty"], 0, removed)?;
    expect(
        &["replace", path, wanted],
        0,
        "added 3, changed 0, removed 0 entries\n",
    )?;

    // A full map: what goes makes room for what comes.
    let full_pin = Pin::new("cli_full");
    let full = Routes::builder("full")
        .map_type(on.map_type())
        .max_entries(3)
        .pin(full_pin.path())
        .create()?;
    full.insert_all([1, 2, 3].map(|n| (Ipv4Net::new_assert([n, 0, 0, 0].into(), 8), 1)))?;
    let full_arg = text(full_pin.path())?;
    let changes = "added 3, changed 0, removed 3 entries\n";
    expect(&["replace", full_arg, wanted], 0, changes)?;
    check::equal(all(&full)?, all(&map)?, "both hold what the file says")
}

fn swaps(on: Type) -> Result<()> {
    let (pin, map) = pinned(on, "cli_table")?;
    map.insert(&net("10.0.0.0/8"), &1)?;
    let outer_pin = Pin::new("cli_outer");
    let outer = OuterMap::<u32, Ipv4Net, u64>::array("cli_outer", 2, &map)?;
    outer.pin(outer_pin.path())?;
    outer.set(&1, &map)?;
    let wanted = file("cli_swap.txt", "11.0.0.0/8 2\n")?;
    let (path, outer_path) = (text(pin.path())?, text(outer_pin.path())?);
    let args = ["replace", path, text(&wanted)?, "--swap", outer_path];
    let run = lpm(&[&args[..], &["--slot", "1"]].concat())?;
    check::equal(run.status, 0, &run.err)?;
    let want = vec![(net("11.0.0.0/8"), 2)];
    let inner = outer.get(&1)?.context("an inner map")?;
    check::equal(all(&inner)?, want.clone(), "the new table")?;
    let id = inner.info()?.id;
    check::equal(
        run.out,
        format!("loaded 1 entries into the new map {id}\n"),
        "its id",
    )?;
    check::equal(
        all(&Routes::from_pin(pin.path())?)?,
        want,
        "the pin is of the new one",
    )?;
    check::equal(
        all(&map)?,
        vec![(net("10.0.0.0/8"), 1)],
        "the old one is as it was",
    )?;
    let beyond = lpm(&[&args[..], &["--slot", "2"]].concat())?;
    check::equal(beyond.status, 2, "there are two places")?;
    check::holds(beyond.err.contains("array of 2"), &beyond.err)
}

/// A pinned map with room for two entries, of which it has one.
fn half_full(on: Type, name: &str) -> Result<(Pin, Routes)> {
    let pin = Pin::new(name);
    let map = Routes::builder(name)
        .map_type(on.map_type())
        .max_entries(2)
        .pin(pin.path())
        .create()?;
    map.insert(&net("10.0.0.0/8"), &1)?;
    Ok((pin, map))
}

/// Adding first would fail half way, and removing first would lose the old entries.
fn does_not_fit(on: Type) -> Result<()> {
    let (pin, map) = half_full(on, "cli_small")?;
    let wanted = file(
        "cli_too_many.txt",
        "11.0.0.0/8 1\n12.0.0.0/8 1\n13.0.0.0/8 1\n",
    )?;
    let run = lpm(&["replace", text(pin.path())?, text(&wanted)?])?;
    check::equal(run.status, 3, &run.err)?;
    check::holds(run.err.contains("3 entries, the map takes 2"), &run.err)?;
    check::equal(all(&map)?, vec![(net("10.0.0.0/8"), 1)], "nothing changed")
}

fn load_does_not_fit(on: Type) -> Result<()> {
    let (pin, map) = half_full(on, "cli_smaller")?;
    let path = text(pin.path())?;
    let two_new = file(
        "cli_two_new.txt",
        "10.0.0.0/8 2\n11.0.0.0/8 1\n12.0.0.0/8 1\n",
    )?;
    let run = lpm(&["load", path, text(&two_new)?])?;
    check::equal(run.status, 3, &run.err)?;
    let why = "the file has 2 new entries, the map has room for 1: nothing was loaded";
    check::holds(run.err.contains(why), &run.err)?;
    check::equal(all(&map)?, vec![(net("10.0.0.0/8"), 1)], "nothing changed")?;
    let one_new = file(
        "cli_one_new.txt",
        "10.0.0.0/8 2\n11.0.0.0/8 0\n11.0.0.0/8 1\n",
    )?;
    expect(&["load", path, text(&one_new)?], 0, "loaded 2 entries\n")?;
    let want = vec![(net("10.0.0.0/8"), 2), (net("11.0.0.0/8"), 1)];
    check::equal(all(&map)?, want, "the last line of a prefix counts")
}

/// A program may leave anything in padding, which text does not show.
fn padding(on: Type) -> Result<()> {
    let pin = Pin::new("cli_padding");
    let map = counts(on, &pin)?;
    let value = [&7u64.to_ne_bytes()[..], &1u32.to_ne_bytes(), &[0xaa; 4]].concat();
    map.update(&v4([10, 0, 0, 0], 8), &value, 0)?;
    let path = text(pin.path())?;
    let dump = lpm(&["dump", path])?;
    check::equal(
        dump.out.as_str(),
        "10.0.0.0/8 packets=7,errors=1\n",
        &dump.err,
    )?;
    let list = file("cli_padding.txt", &dump.out)?;
    expect(&["diff", path, text(&list)?], 0, "")
}

/// A pinned outer map with `map` in it.
fn outer_of(map: &RawMap, pin: &Pin) -> Result<OuterMap<u32, BytePrefix, Bytes>> {
    let map = LpmMap::from_fd(map.fd().try_clone_to_owned()?)?;
    let outer = OuterMap::array("cli_outer", 1, &map)?;
    outer.pin(pin.path())?;
    outer.set(&0, &map)?;
    Ok(outer)
}

fn swap_is_like_the_old_one(on: Type) -> Result<()> {
    let (pin, outer_pin) = (Pin::new("cli_counts"), Pin::new("cli_counts_outer"));
    let map = counts(on, &pin)?;
    let _outer = outer_of(&map, &outer_pin)?;
    fs::set_permissions(pin.path(), fs::Permissions::from_mode(0o640))?;
    chown(pin.path(), Some(7), Some(8))?;
    let wanted = file("cli_counts.txt", "10.0.0.0/8 packets=7,errors=1\n")?;
    let (path, outer_path) = (text(pin.path())?, text(outer_pin.path())?);
    // The second one reads the values by the BTF of the first one's map.
    for _ in 0..2 {
        let run = lpm(&["replace", path, text(&wanted)?, "--swap", outer_path])?;
        check::equal(run.status, 0, &run.err)?;
    }
    expect(&["dump", path], 0, "10.0.0.0/8 packets=7,errors=1\n")?;
    let rights = fs::metadata(pin.path())?;
    check::equal(
        (rights.mode() & 0o777, rights.uid(), rights.gid()),
        (0o640, 7, 8),
        "mode and owner of the pin",
    )?;
    check::equal(pins_named(pin.path())?, 1, "no other pin is left")
}

/// How many pins have a name that begins with that of `pin`.
fn pins_named(pin: &Path) -> Result<usize> {
    let name = pin.file_name().context("a name")?.as_encoded_bytes();
    let names = fs::read_dir(pin.parent().context("a directory")?)?
        .map(|entry| Ok(entry?.file_name()))
        .collect::<Result<Vec<_>>>()?;
    // The outer map's pin is another one.
    let found = names.iter().filter(|found| {
        let found = found.as_encoded_bytes();
        found.starts_with(name) && !found.ends_with(b"_outer")
    });
    Ok(found.count())
}

/// The outer map takes maps with other values, so the swap fails after the new map is pinned.
fn swap_that_fails(on: Type) -> Result<()> {
    let (pin, outer_pin) = (Pin::new("cli_kept"), Pin::new("cli_kept_outer"));
    counts(on, &pin)?;
    let other = Routes::builder("other").map_type(on.map_type()).create()?;
    OuterMap::<u32, Ipv4Net, u64>::array("cli_outer", 1, &other)?.pin(outer_pin.path())?;
    let wanted = file("cli_kept.txt", "10.0.0.0/8 packets=7,errors=1\n")?;
    let (path, outer_path) = (text(pin.path())?, text(outer_pin.path())?);
    let run = lpm(&["replace", path, text(&wanted)?, "--swap", outer_path])?;
    check::equal(run.status, 3, &run.err)?;
    expect(&["dump", path], 0, "")?;
    check::equal(pins_named(pin.path())?, 1, "no other pin is left")
}

/// The name of the pin is as long as names may be, so that of a second pin is too long.
fn swap_without_a_pin(on: Type) -> Result<()> {
    let (pin, outer_pin) = (Pin::new(&"n".repeat(255)), Pin::new("cli_long_outer"));
    let map = counts(on, &pin)?;
    let outer = outer_of(&map, &outer_pin)?;
    let before = outer.get(&0)?.context("an inner map")?.info()?.id;
    let wanted = file("cli_long.txt", "10.0.0.0/8 packets=7,errors=1\n")?;
    let (path, outer_path) = (text(pin.path())?, text(outer_pin.path())?);
    let run = lpm(&["replace", path, text(&wanted)?, "--swap", outer_path])?;
    check::equal(run.status, 3, &run.err)?;
    let after = outer.get(&0)?.context("an inner map")?.info()?.id;
    check::equal(after, before, "the map in the outer one")
}
