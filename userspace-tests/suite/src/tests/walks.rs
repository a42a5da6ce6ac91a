// SPDX-License-Identifier: MIT OR Apache-2.0
//! Walks of the whole map: bpf_for_each_map_elem(), element iterators, and files in bpffs.

use std::{
    fs::{self, File},
    io::Read,
    os::fd::{AsFd, FromRawFd, OwnedFd},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use anyhow::{Context, Result, bail};
use libc::EINVAL;
use lpm_mtrie::{Loader, Object, ObjectError};
use raw_bpf::{
    RawMap,
    sys::{self, prog::iter_create},
};

use super::pinning::Pin;
use crate::{
    check,
    harness::{Test, Type},
    maps::value,
    model::ANY,
    objects,
    prefix::v4,
    raw_call::RawCall,
    wait,
};

pub const TESTS: &[Test] = &[
    Test::mtrie("for_each_visits_all_in_order", visits_all),
    Test::mtrie("for_each_stops_when_told", stops),
    Test::mtrie(
        "for_each_visits_all_in_a_sleepable_program",
        in_a_sleepable_program,
    ),
    Test::mtrie("for_each_callback_writes_values", writes_values),
    Test::mtrie("for_each_callback_deletes_its_element", deletes),
    Test::mtrie("for_each_callback_changes_the_map", changes),
    Test::mtrie("for_each_visits_at_most_max_entries", runs_ahead),
    Test::mtrie("for_each_keys_end_with_their_callback", keeps_a_key),
    Test::mtrie("element_iterator_reads_all", iterator_reads_all),
    Test::mtrie(
        "element_iterator_reads_what_stays_once",
        iterator_while_rewritten,
    ),
    Test::mtrie("element_iterator_keeps_its_map", iterator_alone),
    Test::mtrie(
        "element_iterator_does_not_hold_up_grace_periods",
        iterator_takes_long,
    ),
    Test::mtrie("bpffs_file_lists_all", bpffs_file),
];

/// A key and a value of 8 bytes, as in `struct element` of bpf/walk.bpf.c.
type Element = (Vec<u8>, Vec<u8>);

struct Walk {
    object: Object,
    lpm: RawMap<OwnedFd>,
}

impl Walk {
    fn new(on: Type, max_entries: u32) -> Result<Self> {
        let object = Loader::new()
            .lpm_type(on.map_type())
            .max_entries("lpm", max_entries)
            .load(objects::WALK)?;
        let lpm = object.map("lpm")?.fd().as_fd().try_clone_to_owned()?;
        Ok(Self {
            lpm: RawMap::new(lpm)?,
            object,
        })
    }

    fn fill(&self, elements: &[Element]) -> Result<()> {
        check::ok(self.lpm.update_batch(elements, ANY).result, "fill")
    }

    fn run(&self, program: &str) -> Result<u32> {
        let program = self.object.load_program(program)?;
        Ok(program.test_run(&[0; 64])?.retval)
    }

    /// The first `count` elements that a callback has recorded.
    fn seen(&self, count: u32) -> Result<Vec<Element>> {
        let seen = RawMap::new(self.object.map("seen")?.fd())?;
        (0..count)
            .map(|index| Ok(split(&seen.lookup(&index.to_ne_bytes(), 0)?)))
            .collect()
    }

    /// A link of an iterator program to the map.
    fn iterator(&self, program: &str) -> Result<OwnedFd> {
        let program = self.object.load_program_for(program, "bpf_map_elem")?;
        let mut call = RawCall::iterator_over(program.as_fd(), self.lpm.fd());
        // SAFETY: the call's memory holds what its addresses point to.
        match unsafe { call.make() } {
            // SAFETY: the command returns a new descriptor.
            Ok(fd) => Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) }),
            Err(errno) => bail!("link the iterator to the map: errno {errno}"),
        }
    }
}

fn keeps_a_key(on: Type) -> Result<()> {
    match Walk::new(on, 1)?.object.load_program("keep_key") {
        Err(ObjectError::Program { source, .. }) => {
            check::equal(source.error.raw_os_error(), Some(EINVAL), &source.log)?;
            let why = "cannot spill a map's key into stack frame of the caller";
            check::holds(source.log.contains(why), &source.log)
        }
        Err(error) => Err(error.into()),
        Ok(_) => bail!("a program reads the kernel's stack through a key"),
    }
}

fn split(element: &[u8]) -> Element {
    let (key, value) = element.split_at(8);
    (key.to_vec(), value[..8].to_vec())
}

fn read_all(link: &OwnedFd) -> Result<Vec<Element>> {
    let mut bytes = vec![];
    File::from(iter_create(link.as_fd())?)
        .read_to_end(&mut bytes)
        .context("read the iterator")?;
    check::equal(bytes.len() % 16, 0, "whole elements")?;
    Ok(bytes.chunks(16).map(split).collect())
}

/// 10.0/16 to 10.(count - 1)/16, numbered, and a prefix that covers them at the end.
fn elements(count: u8) -> Vec<Element> {
    let nets = (0..count).map(|n| (v4([10, n, 0, 0], 16), value(u64::from(n))));
    nets.chain([(v4([10, 0, 0, 0], 8), value(8))]).collect()
}

fn visits_all(on: Type) -> Result<()> {
    let walk = Walk::new(on, 64)?;
    check::equal(walk.run("visit_all")?, 0, "visited in an empty map")?;
    let all = elements(20);
    walk.fill(&all)?;
    check::equal(walk.run("visit_all")?, 21, "visited")?;
    check::equal(walk.seen(21)?, all, "keys and values, in order")
}

fn stops(on: Type) -> Result<()> {
    let walk = Walk::new(on, 64)?;
    let all = elements(20);
    walk.fill(&all)?;
    check::equal(walk.run("visit_two")?, 2, "visited, the last one included")?;
    check::equal(walk.seen(2)?, all[..2].to_vec(), "the first two")?;
    check::equal(walk.run("visit_with_flags")?, 1, "flags: -EINVAL")
}

fn in_a_sleepable_program(on: Type) -> Result<()> {
    let walk = Walk::new(on, 64)?;
    let all = elements(20);
    walk.fill(&all)?;
    let program = walk.object.load_syscall_program("visit_all")?;
    let visited = sys::prog::run_syscall_program(program.as_fd(), &mut [])?;
    check::equal(visited, 21, "visited")?;
    check::equal(walk.seen(21)?, all, "keys and values, in order")
}

fn writes_values(on: Type) -> Result<()> {
    let walk = Walk::new(on, 64)?;
    walk.fill(&elements(5))?;
    check::equal(walk.run("double_all")?, 6, "visited")?;
    for (n, (key, _)) in elements(5).iter().enumerate().take(5) {
        check::equal(walk.lpm.lookup(key, 0)?, value(2 * n as u64), "doubled")?;
    }
    Ok(())
}

fn deletes(on: Type) -> Result<()> {
    let walk = Walk::new(on, 64)?;
    let all = elements(20);
    walk.fill(&all)?;
    check::equal(walk.run("delete_all")?, 21, "visited")?;
    check::equal(walk.seen(21)?, all, "each of them once")?;
    check::equal(walk.lpm.keys(10)?, vec![], "none is left")
}

fn changes(on: Type) -> Result<()> {
    let walk = Walk::new(on, 64)?;
    walk.fill(&elements(4))?;
    let expected = vec![
        (v4([10, 0, 0, 0], 16), value(0)),
        (v4([10, 1, 7, 0], 24), value(1000)),
        (v4([10, 2, 0, 0], 16), value(1000)),
        (v4([10, 3, 0, 0], 16), value(3)),
        (v4([10, 0, 0, 0], 8), value(8)),
    ];
    let visited = walk.run("change_while_walking")?;
    check::equal(visited as usize, expected.len(), "visited")?;
    check::equal(
        walk.seen(visited)?,
        expected,
        "everything but what was inserted where the walk had passed, or deleted ahead of it",
    )
}

fn runs_ahead(on: Type) -> Result<()> {
    let walk = Walk::new(on, 64)?;
    walk.fill(&[(v4([10, 0, 0, 0], 24), value(0))])?;
    let visited = walk.run("keep_running_ahead")?;
    check::equal(visited, 64, "visited, of 256 that were there in turn")
}

fn iterator_reads_all(on: Type) -> Result<()> {
    let walk = Walk::new(on, 100_000)?;
    let link = walk.iterator("dump")?;
    check::equal(read_all(&link)?, vec![], "an empty map")?;
    // More than the kernel's buffer of 8 pages, so that reading pauses and continues.
    let mut all = vec![];
    for n in 0..10u8 {
        all.extend((0..=255).map(|m| (v4([10, n, m, 0], 24), value(u64::from(n)))));
        all.push((v4([10, n, 0, 0], 16), value(1)));
    }
    walk.fill(&all)?;
    check::holds(read_all(&link)? == all, "all elements, once, in order")
}

fn iterator_while_rewritten(on: Type) -> Result<()> {
    let walk = Walk::new(on, 100_000)?;
    let staying: Vec<Element> = (0..=255)
        .map(|n| (v4([10, n, 0, 0], 16), value(u64::from(n))))
        .collect();
    walk.fill(&staying)?;
    let link = walk.iterator("dump")?;
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let writer = scope.spawn(|| -> Result<()> {
            let mut n = 0u32;
            while !done.load(Ordering::Relaxed) {
                let [_, _, a, b] = n.to_be_bytes();
                let key = v4([10, b, a, 0], 24);
                walk.lpm.update(&key, &value(0), ANY)?;
                if n >= 512 {
                    let [_, _, a, b] = (n - 512).to_be_bytes();
                    walk.lpm.delete(&v4([10, b, a, 0], 24))?;
                }
                n = (n + 1) % 65536;
                if n == 0 {
                    break;
                }
            }
            Ok(())
        });
        let result = (0..20).try_for_each(|_| {
            let mut read = read_all(&link)?;
            read.retain(|(key, _)| key[0] == 16);
            check::equal(read, staying.clone(), "what stays, once, in order")
        });
        done.store(true, Ordering::Relaxed);
        writer.join().expect("the writer does not panic")?;
        result
    })
}

/// The link keeps the map, and an open file of the iterator keeps both.
fn iterator_alone(on: Type) -> Result<()> {
    let walk = Walk::new(on, 64)?;
    let all = elements(20);
    walk.fill(&all)?;
    let link = walk.iterator("dump")?;
    drop(walk);
    check::equal(read_all(&link)?, all.clone(), "by the link only")?;
    let mut file = File::from(iter_create(link.as_fd())?);
    drop(link);
    let mut first = [0; 16];
    file.read_exact(&mut first)?;
    check::equal(split(&first), all[0].clone(), "by the open file only")
    // Closed here before its end, which frees the map.
}

/// A grace period of RCU ends while a single read() goes through all elements.
fn iterator_takes_long(on: Type) -> Result<()> {
    const STARTED: u32 = 0;
    const STOP: u32 = 1;
    const NEVER_STOPPED: u32 = 2;
    let walk = Walk::new(on, 10_000)?;
    let all: Vec<Element> = (0..10_000u16)
        .map(|n| {
            let [a, b] = n.to_be_bytes();
            (v4([10, a, b, 0], 24), value(0))
        })
        .collect();
    walk.fill(&all)?;
    let link = walk.iterator("take_long")?;
    let seen = RawMap::new(walk.object.map("seen")?.fd())?;
    let is_set = |signal: u32| Ok(seen.lookup(&signal.to_ne_bytes(), 0)?[8] != 0);
    thread::scope(|scope| {
        let reader = scope.spawn(|| read_all(&link));
        wait::until("the iterator to start", || is_set(STARTED))?;
        wait::grace_period()?;
        seen.update(&STOP.to_ne_bytes(), &[1; 16], ANY)?;
        let read = reader.join().expect("the reader does not panic")?;
        check::equal(read, vec![], "what the iterator writes")
    })?;
    check::holds(
        !is_set(NEVER_STOPPED)?,
        "the grace period ends before the read",
    )
}

fn bpffs_file(on: Type) -> Result<()> {
    let pin = Pin::new("suite_walk");
    let walk = Walk::new(on, 64)?;
    sys::obj_pin(walk.lpm.fd(), pin.path()).context("pin")?;
    walk.fill(&elements(2))?;
    let text = fs::read_to_string(pin.path()).context("read the pin")?;
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    // The file omits zeros.
    let expected = ["{16,[10,],}: 0", "{16,[10,1,],}: 1", "{8,[10,],}: 8"];
    let plain: Vec<String> = lines
        .iter()
        .map(|line| line.replace("(struct key)", "").replace("(__u32)", ""))
        .collect();
    check::equal(plain, expected.map(str::to_owned).to_vec(), "the file")
}
