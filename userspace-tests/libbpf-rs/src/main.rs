// SPDX-License-Identifier: MIT OR Apache-2.0
//! Uses a map type that libbpf-rs does not know.
//!
//! Takes a BPF object and the type's number, uses the object's map, and prints the result of each
//! call; the suite compares the output.

use std::{env, fs};

use anyhow::{Context, Result, bail};
use libbpf_rs::{MapCore, MapFlags, MapHandle, MapType, ObjectBuilder};

const PIN: &str = "/sys/fs/bpf/suite_libbpf_rs";

fn key(prefixlen: u32, data: [u8; 4]) -> Vec<u8> {
    [prefixlen.to_ne_bytes(), data].concat()
}

fn main() -> Result<()> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [object, number] = &arguments[..] else {
        bail!("usage: with-libbpf-rs OBJECT MAP_TYPE_NUMBER");
    };
    let mut loaded = ObjectBuilder::default().open_file(object)?.load()?;
    let mut routes = loaded
        .maps_mut()
        .find(|map| map.name() == "lpm")
        .context("the object has no map lpm")?;
    println!("type: {:?}", routes.map_type());

    let (wide, narrow) = (key(8, [10, 0, 0, 0]), key(16, [10, 1, 0, 0]));
    for (prefix, value) in [(&wide, 1u64), (&narrow, 2)] {
        routes.update(prefix, &value.to_ne_bytes(), MapFlags::ANY)?;
    }
    let found = routes.lookup(&key(32, [10, 1, 2, 3]), MapFlags::ANY)?;
    println!("lookup: {found:?}");
    for key in routes.keys() {
        println!("key: {key:?}");
    }
    let again = routes.update(&wide, &[0; 8], MapFlags::NO_EXIST);
    println!(
        "update of a present prefix: {:?}",
        again.map_err(|error| error.kind())
    );

    routes.pin(PIN)?;
    let pinned = MapHandle::from_pinned_path(PIN);
    fs::remove_file(PIN)?;
    let pinned = pinned?;
    pinned.delete(&narrow)?;
    println!(
        "deleted twice: {:?}",
        pinned.delete(&narrow).map_err(|error| error.kind())
    );

    let options = libbpf_rs::libbpf_sys::bpf_map_create_opts {
        sz: size_of::<libbpf_rs::libbpf_sys::bpf_map_create_opts>() as _,
        map_flags: 1,
        ..Default::default()
    };
    let created = MapHandle::create(
        MapType::from(number.parse::<u32>()?),
        Some("created"),
        8,
        8,
        16,
        &options,
    );
    println!(
        "created: {:?}",
        created.map(drop).map_err(|error| error.kind())
    );
    Ok(())
}
