// SPDX-License-Identifier: MIT OR Apache-2.0
//! A map's counters in the kernel after each event of its life, and that it is freed at the last
//! put.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use anyhow::{Context, Result};
use aya_obj::generated::bpf_attach_type::BPF_TCX_INGRESS;
use libc::ENOENT;
use lpm_mtrie::{Loader, Program};
use raw_bpf::{
    RawMap, sys,
    sys::prog::{Target, link_create},
};

use super::pinning::Pin;
use crate::{
    check,
    harness::{Need, Test, Type},
    maps::{self, ARRAY_OF_MAPS, HASH_OF_MAPS, IPV4},
    model::ANY,
    objects,
    references::{Counters, Watch},
    tour, wait,
};

pub const TESTS: &[Test] = &[
    Test::both("references_count_open_files", create_dup_close),
    Test::both("references_count_programs", program),
    Test::both("references_count_pins", pin_get_unpin),
    Test::both("references_count_files_opened_by_id", fd_by_id),
    Test::both("references_count_outer_maps_but_not_templates", inner),
    Test::both("references_of_one_pin_keep_the_map", pin_alone),
    Test::both("references_of_one_program_keep_the_map", program_alone),
    Test::both("references_of_one_link_keep_the_map", link_alone),
    Test::both("references_of_one_outer_map_keep_the_map", outer_alone),
    // Each step of the tour checks the counters and functions that it names.
    Test::mtrie("tour_matches_refcounts", |on| {
        tour::run(on, &mut io::sink())
    })
    .needing(Need::Module),
];

/// A map, and a watch on its counters.
struct Watched {
    watch: Watch,
    map: RawMap,
    cookie: u64,
}

impl Watched {
    fn new(on: Type) -> Result<Self> {
        let watch = Watch::new()?;
        let map = maps::create(on, IPV4)?;
        let Counters { cookie, .. } = watch.of(map.fd())?;
        let watched = Self { watch, map, cookie };
        watched.counts(1, 1, "a new map: its first descriptor")?;
        Ok(watched)
    }

    fn counts(&self, refcnt: i64, usercnt: i64, why: &str) -> Result<()> {
        counts(&self.watch, self.cookie, refcnt, usercnt, why)
    }

    /// Closes the first descriptor.
    fn close(self) -> (Watch, u64) {
        (self.watch, self.cookie)
    }
}

fn counts(watch: &Watch, cookie: u64, refcnt: i64, usercnt: i64, why: &str) -> Result<()> {
    let now = watch.find(cookie)?.context("the map is alive")?;
    check::equal((now.refcnt, now.usercnt), (refcnt, usercnt), why)
}

/// Like `counts`, but waits for references that the kernel drops after a grace period.
fn comes_to(watch: &Watch, cookie: u64, refcnt: i64, usercnt: i64, why: &str) -> Result<()> {
    wait::until(why, || {
        let now = watch.find(cookie)?.context("the map is alive")?;
        Ok((now.refcnt, now.usercnt) == (refcnt, usercnt))
    })?;
    check::equal(watch.freed(cookie)?, None, "it is not freed")
}

/// Checks that the map, which nothing holds any more, is freed and cannot be found.
fn is_freed(watch: &Watch, cookie: u64) -> Result<()> {
    let last = watch.wait_for_free(cookie)?;
    let want = Counters {
        cookie,
        refcnt: 0,
        usercnt: 0,
        id: 0,
    };
    check::equal(last, want, "its counters when it is freed")?;
    check::equal(watch.find(cookie)?, None, "and no iterator finds it")
}

fn load(map: BorrowedFd<'_>, program: &str) -> Result<Program> {
    let object = Loader::new()
        .reuse("lpm", map.try_clone_to_owned()?)
        .load(objects::SHARED)?;
    Ok(object.load_program(program)?)
}

fn create_dup_close(on: Type) -> Result<()> {
    let watched = Watched::new(on)?;
    let id = sys::map::info(watched.map.fd())?.id;
    let same = watched.map.fd().try_clone_to_owned()?;
    watched.counts(1, 1, "dup: one more number for the same open file")?;
    drop(same);
    watched.counts(1, 1, "closing that")?;
    let (watch, cookie) = watched.close();
    is_freed(&watch, cookie)?;
    check::errno(sys::map::fd_by_id(id), ENOENT, "its id")
}

fn program(on: Type) -> Result<()> {
    let watched = Watched::new(on)?;
    let ignores = load(watched.map.fd(), "ignore")?;
    watched.counts(1, 1, "a program of the same object that does not use it")?;
    let first = load(watched.map.fd(), "count")?;
    watched.counts(2, 1, "a program that uses it")?;
    let second = load(watched.map.fd(), "report")?;
    watched.counts(3, 1, "a second one")?;
    let Watched { watch, cookie, .. } = &watched;
    drop((ignores, first));
    comes_to(watch, *cookie, 2, 1, "the first program to be freed")?;
    drop(second);
    comes_to(watch, *cookie, 1, 1, "the second program to be freed")
}

fn pin_get_unpin(on: Type) -> Result<()> {
    let watched = Watched::new(on)?;
    let pin = Pin::new("suite_references");
    sys::obj_pin(watched.map.fd(), pin.path())?;
    watched.counts(2, 2, "pin")?;
    let got = sys::obj_get(pin.path(), 0)?;
    watched.counts(3, 3, "get: a new open file")?;
    let read_only = sys::obj_get(pin.path(), maps::F_RDONLY)?;
    watched.counts(4, 4, "get to read: another")?;
    drop((got, read_only));
    watched.counts(2, 2, "closing both")?;
    pin.remove();
    comes_to(&watched.watch, watched.cookie, 1, 1, "unpin")
}

fn fd_by_id(on: Type) -> Result<()> {
    let watched = Watched::new(on)?;
    let fd = sys::map::fd_by_id(sys::map::info(watched.map.fd())?.id)?;
    watched.counts(2, 2, "BPF_MAP_GET_FD_BY_ID: a new open file")?;
    drop(fd);
    watched.counts(1, 1, "closing that")
}

fn outer_of(template: BorrowedFd<'_>, map_type: u32) -> Result<RawMap> {
    Ok(RawMap::create(&maps::outer_attr(map_type, template))?)
}

fn put(outer: &RawMap, inner: BorrowedFd<'_>) -> Result<()> {
    Ok(outer.update(&[0; 4], &inner.as_raw_fd().to_ne_bytes(), ANY)?)
}

fn inner(on: Type) -> Result<()> {
    for map_type in [ARRAY_OF_MAPS, HASH_OF_MAPS] {
        let watched = Watched::new(on)?;
        let outer = outer_of(watched.map.fd(), map_type)?;
        watched.counts(1, 1, "the template of an outer map is a copy")?;
        put(&outer, watched.map.fd())?;
        watched.counts(2, 1, "a place in an outer map")?;
        outer.delete(&[0; 4])?;
        watched.counts(1, 1, "removed from it")?;
    }
    Ok(())
}

fn pin_alone(on: Type) -> Result<()> {
    let watched = Watched::new(on)?;
    let pin = Pin::new("suite_references");
    sys::obj_pin(watched.map.fd(), pin.path())?;
    let (watch, cookie) = watched.close();
    counts(&watch, cookie, 1, 1, "the pin")?;
    check::equal(watch.freed(cookie)?, None, "it is not freed")?;
    pin.remove();
    is_freed(&watch, cookie)
}

fn program_alone(on: Type) -> Result<()> {
    let watched = Watched::new(on)?;
    let program = load(watched.map.fd(), "count")?;
    let (watch, cookie) = watched.close();
    counts(
        &watch,
        cookie,
        1,
        0,
        "the program: userspace cannot reach it",
    )?;
    check::equal(
        program.test_run(&[0; 64])?.retval,
        0,
        "the program still uses it",
    )?;
    check::equal(watch.freed(cookie)?, None, "it is not freed")?;
    drop(program);
    is_freed(&watch, cookie)
}

fn link_alone(on: Type) -> Result<()> {
    let watched = Watched::new(on)?;
    let link: OwnedFd = {
        let program = load(watched.map.fd(), "count")?;
        link_create(program.as_fd(), Target::Interface(1), BPF_TCX_INGRESS)?
    };
    let (watch, cookie) = watched.close();
    counts(&watch, cookie, 1, 0, "the program that the link holds")?;
    check::equal(watch.freed(cookie)?, None, "it is not freed")?;
    drop(link);
    is_freed(&watch, cookie)
}

fn outer_alone(on: Type) -> Result<()> {
    for map_type in [ARRAY_OF_MAPS, HASH_OF_MAPS] {
        let watched = Watched::new(on)?;
        let outer = outer_of(watched.map.fd(), map_type)?;
        put(&outer, watched.map.fd())?;
        let (watch, cookie) = watched.close();
        counts(&watch, cookie, 1, 0, "the outer map")?;
        check::equal(watch.freed(cookie)?, None, "it is not freed")?;
        drop(outer);
        is_freed(&watch, cookie)?;
    }
    Ok(())
}
