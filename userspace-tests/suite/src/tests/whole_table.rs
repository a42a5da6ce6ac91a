// SPDX-License-Identifier: MIT OR Apache-2.0
//! A table of routes is replaced as a whole while packets are looked up in it: each one matches, in
//! the old table or in the new one.
//!
//! LPM_MTRIE_FILL sets the number of routes that are taken from the BGP table.

use std::{
    os::fd::AsFd,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Instant,
};

use anyhow::{Context, Result, anyhow};
use ipnet::Ipv4Net;
use libc::ENOENT;
use lpm_mtrie::{Loader, LpmMap, OuterMap, Program};
use raw_bpf::{RawMap, sys::map::fd_by_id};

use super::create::field;
use crate::{
    check,
    harness::{Test, Type},
    model::ANY,
    objects,
    prefix::Prefix,
    random::{self, Random},
    routes, wait,
};

pub const TESTS: &[Test] = &[Test::mtrie(
    "whole_table_is_replaced_without_losing_a_match",
    replaced_under_packets,
)];

/// `enum count` and `ADDRESSES` of bpf/whole_table.bpf.c.
const MATCHED: u32 = 0;
const UNMATCHED: [(u32, &str); 3] = [
    (1, "packets that found no table"),
    (2, "packets that matched nothing"),
    (3, "packets that matched in an outdated table"),
];
const ADDRESSES: usize = 1024;

const ROUTES: usize = 20_000;
const SWAPS: u64 = 4;

type Table = LpmMap<Ipv4Net, u64>;

fn replaced_under_packets(on: Type) -> Result<()> {
    let routes = routes()?;
    let object = Loader::new()
        .lpm_type(on.map_type())
        .load(objects::WHOLE_TABLE)?;
    let addresses = RawMap::new(object.map("addresses")?.fd())?;
    let newest = RawMap::new(object.map("newest")?.fd())?;
    let counts = RawMap::new(object.map("counts")?.fd())?;
    let tables = object.map("tables")?.fd().as_fd().try_clone_to_owned()?;
    let tables = OuterMap::<u32, Ipv4Net, u64>::from_fd(tables)?;
    let mut random = Random::new(random::seed()?);
    for index in 0..ADDRESSES {
        let route = routes[random.below(routes.len())];
        let prefix = Prefix::new(route.prefix_len().into(), &route.addr().octets());
        let address = routes::address_below(&prefix.key(), &mut random);
        addresses.update(&(index as u32).to_ne_bytes(), &address, ANY)?;
    }

    let mut old = table(on, &routes, 1)?;
    tables.set(&0, &old)?;
    newest.update(&[0; 4], &1u64.to_ne_bytes(), ANY)?;
    let program = object.load_program("forward")?;
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let packets: Vec<_> = (0..thread::available_parallelism()?.get())
            .map(|_| scope.spawn(|| send(&program, &done)))
            .collect();
        let result = (2..=1 + SWAPS).try_for_each(|number| -> Result<()> {
            let new = table(on, &routes, number)?;
            let start = Instant::now();
            tables.set(&0, &new)?;
            let swapped = start.elapsed();
            newest.update(&[0; 4], &number.to_ne_bytes(), ANY)?;
            let (id, bytes) = (old.info()?.id, memory(&old)? + memory(&new)?);
            // Drops the last reference.
            old = new;
            wait::until("the old table to be released", || match fd_by_id(id) {
                Err(error) => Ok(error.raw_os_error() == Some(ENOENT)),
                Ok(_) => Ok(false),
            })?;
            println!(
                "  swapped in {} µs, the old one released within {} ms; both held {} KiB",
                swapped.as_micros(),
                start.elapsed().as_millis(),
                bytes >> 10
            );
            Ok(())
        });
        done.store(true, Ordering::Relaxed);
        for sender in packets {
            sender
                .join()
                .map_err(|_| anyhow!("a sender panicked"))?
                .context("packets")?;
        }
        result
    })?;

    let count = |index: u32| -> Result<u64> {
        let bytes = counts.lookup(&index.to_ne_bytes(), 0)?;
        Ok(u64::from_ne_bytes(bytes.as_slice().try_into()?))
    };
    for (index, what) in UNMATCHED {
        check::equal(count(index)?, 0, what)?;
    }
    print!("  {} packets matched ... ", count(MATCHED)?);
    check::holds(count(MATCHED)? > 0, "packets were flowing")
}

fn routes() -> Result<Vec<Ipv4Net>> {
    let count = random::number("LPM_MTRIE_FILL")?.map_or(ROUTES, |number| number as usize);
    let text = routes::table()?;
    let lines = routes::lines(&text, 4);
    // From the whole table, evenly spaced.
    let step = (lines.len() / count).max(1);
    let words = lines.iter().step_by(step).map(|line| {
        let text = std::str::from_utf8(line)?;
        let prefix = text.split_whitespace().next().context("an empty line")?;
        Ok(prefix.parse()?)
    });
    words.collect()
}

/// Creates a table with all routes, whose values are its number.
fn table(on: Type, routes: &[Ipv4Net], number: u64) -> Result<Table> {
    let table = Table::builder("table")
        .map_type(on.map_type())
        .max_entries(routes.len() as u32)
        .create()?;
    let filled = table.insert_all(routes.iter().map(|route| (*route, number)))?;
    check::equal(filled, routes.len() as u64, "routes in the table")?;
    Ok(table)
}

fn memory(table: &Table) -> Result<u64> {
    field(
        &RawMap::new(table.as_fd().try_clone_to_owned()?)?,
        "memlock",
    )
}

fn send(program: &Program, done: &AtomicBool) -> Result<()> {
    while !done.load(Ordering::Relaxed) {
        program.test_run(&[0; 64])?;
    }
    Ok(())
}
