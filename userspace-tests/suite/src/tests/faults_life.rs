// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every allocation and user copy of the calls that create, find and use a map fails once: each
//! call succeeds, or gives an errno and nothing else; no descriptor, id, pin, reference or memory
//! is leaked.

use std::{
    fs,
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
};

use anyhow::{Context, Result, ensure};
use libc::{EFAULT, EINVAL, ENOMEM, ENOSPC};
use raw_bpf::{RawMap, sys, sys::map::MapAttr};

use super::{create::ids, pinning::Pin};
use crate::{
    btf_blob, check,
    fault_injection::{FaultInjection, report},
    harness::{Test, Type},
    instructions::{EXIT, R0, R1, load_map, set},
    kernel_module,
    maps::{self, ARRAY_OF_MAPS, IPV4, value},
    memory_cgroup::MemoryCgroup,
    model::ANY,
    prefix::v4,
    raw_call::RawCall,
    requests::SHAPE,
};

pub const TESTS: &[Test] = &[
    Test::mtrie("faults_in_create", |on| create(&maps::attr(on, IPV4))),
    Test::mtrie("faults_in_create_with_btf", with_btf),
    Test::mtrie("faults_in_create_of_an_outer_map", outer_map),
    Test::mtrie("faults_in_pin", pin),
    Test::mtrie("faults_in_get", get),
    Test::mtrie("faults_in_program_load", program_load),
    Test::mtrie("faults_leave_nothing_charged", nothing_charged),
];

/// The errnos of every call, and those that some calls add: a pin has no inode (ENOSPC), the
/// verifier lacks something (EINVAL), there is no machine code for a program (ENOTSUPP).
const USUAL: &[i32] = &[ENOMEM, EFAULT];
const OF_PIN: &[i32] = &[ENOMEM, EFAULT, ENOSPC];
const OF_LOAD: &[i32] = &[ENOMEM, EFAULT, EINVAL, ENOTSUPP];
/// ENOTSUPP of the kernel, which has no name in userspace.
const ENOTSUPP: i32 = 524;

fn open_files() -> Result<usize> {
    Ok(fs::read_dir("/proc/self/fd")?.count())
}

/// Makes the call, which returns a descriptor or 0, with a fault at each possible place in turn;
/// `done` checks a success. After a failure, no descriptor and no map may be left.
fn every_fault(
    errnos: &[i32],
    mut call: impl FnMut() -> RawCall,
    mut done: impl FnMut(Result<i64, i32>) -> Result<()>,
) -> Result<()> {
    let injection = FaultInjection::new()?;
    let before = (open_files()?, ids()?.len());
    for nth in 1.. {
        let mut call = call();
        // SAFETY: the call's addresses are in its own memory, which is as long as the attributes
        // say.
        let (result, hit) = injection.at(nth, || unsafe { call.make() })?;
        let why = || format!("fault {nth} (met: {hit}), result {result:?}");
        if let Err(errno) = result {
            ensure!(hit && errnos.contains(&errno), "{}", why());
        }
        done(result).with_context(why)?;
        check::equal((open_files()?, ids()?.len()), before, "files and maps").with_context(why)?;
        if !hit {
            report(nth - 1);
            return Ok(());
        }
    }
    unreachable!("a call with an endless number of faults")
}

/// Takes the descriptor that a call returned.
fn taken(result: i64) -> OwnedFd {
    // SAFETY: the call has just returned this descriptor; nobody else has it.
    unsafe { OwnedFd::from_raw_fd(result as i32) }
}

fn create(attr: &MapAttr) -> Result<()> {
    let key = v4([10, 0, 0, 0], 8);
    let attempt = || RawCall::create(attr);
    every_fault(USUAL, attempt, |result| {
        let Ok(fd) = result else { return Ok(()) };
        let map = RawMap::new(taken(fd))?;
        map.update(&key, &value(1), ANY)?;
        check::equal(map.lookup(&key, 0)?, value(1), "the new map works")
    })?;
    kernel_module::wait_for(0)
}

fn with_btf(on: Type) -> Result<()> {
    let btf = sys::prog::load_btf(&btf_blob::blob())?;
    let mut attr = maps::attr(on, IPV4);
    attr.btf_fd = btf.as_raw_fd() as u32;
    attr.btf_key_type_id = btf_blob::KEY;
    attr.btf_value_type_id = btf_blob::U64;
    create(&attr)
}

fn outer_map(on: Type) -> Result<()> {
    let inner = maps::create(on, IPV4)?;
    let attr = maps::outer_attr(ARRAY_OF_MAPS, inner.fd());
    let fd = inner.fd().as_raw_fd();
    every_fault(
        USUAL,
        || RawCall::create(&attr),
        |result| {
            let Ok(outer) = result else { return Ok(()) };
            let outer = RawMap::new(taken(outer))?;
            check::ok(
                outer.update(&[0; 4], &fd.to_ne_bytes(), ANY),
                "the inner map fits its template",
            )
        },
    )?;
    drop(inner);
    kernel_module::wait_for(0)
}

fn pin(on: Type) -> Result<()> {
    let pin = Pin::new("suite_faults");
    let path = [pin.path().as_os_str().as_encoded_bytes(), b"\0"].concat();
    let map = maps::create(on, IPV4)?;
    every_fault(
        OF_PIN,
        || RawCall::pin(map.fd(), &path),
        |result| {
            let there = pin.path().exists();
            pin.remove();
            check::equal(there, result.is_ok(), "there is a pin")
        },
    )?;
    drop(map);
    kernel_module::wait_for(0)
}

fn get(on: Type) -> Result<()> {
    let pin = Pin::new("suite_faults");
    let path = [pin.path().as_os_str().as_encoded_bytes(), b"\0"].concat();
    let map = maps::create(on, IPV4)?;
    let id = sys::map::info(map.fd())?.id;
    sys::obj_pin(map.fd(), pin.path())?;
    every_fault(
        USUAL,
        || RawCall::get(&path),
        |result| {
            let Ok(fd) = result else { return Ok(()) };
            let again = taken(fd);
            check::equal(sys::map::info(again.as_fd())?.id, id, "the same map")
        },
    )
}

/// SOCKET_FILTER: a uapi number.
const SOCKET_FILTER: u32 = 1;

fn program_load(on: Type) -> Result<()> {
    let map = maps::create(on, IPV4)?;
    let program = [load_map(R1, map.fd()), set(R0, 0), EXIT.to_vec()].concat();
    // The very first program makes the kernel parse its own types, which it does only once.
    // SAFETY: as in `every_fault`.
    let first = unsafe { RawCall::load(SOCKET_FILTER, &program).make() };
    drop(first.map(taken));
    every_fault(
        OF_LOAD,
        || RawCall::load(SOCKET_FILTER, &program),
        |result| {
            let Ok(fd) = result else { return Ok(()) };
            let program = taken(fd);
            let mut run = RawCall::run(program.as_fd());
            // SAFETY: as in `every_fault`.
            check::equal(unsafe { run.make() }, Ok(0), "the program runs")
        },
    )?;
    drop(map);
    kernel_module::wait_for(0)
}

/// One leaked entry for each refused update would be noticed, since each is nearly a page.
fn nothing_charged(on: Type) -> Result<()> {
    const ROUNDS: u32 = 25;
    let cgroup = MemoryCgroup::new("suite_faults")?;
    let attr = maps::attr(on, SHAPE);
    drop(cgroup.create_map(&attr)?);
    let (_, slab) = cgroup.settled()?;
    let map = cgroup.create_map(&attr)?;
    let injection = FaultInjection::new()?;
    let value = vec![1; SHAPE.value as usize];
    let mut refused = 0;
    for round in 0..ROUNDS {
        let key = v4(round.to_be_bytes(), 32);
        for nth in 1.. {
            let mut call = RawCall::update(map.fd(), &key, &value);
            // SAFETY: the call's addresses are of its own memory, which has the map's sizes.
            let (result, hit) = injection.at(nth, || unsafe { call.make() })?;
            refused += u32::from(result.is_err());
            if !hit {
                break;
            }
        }
    }
    check::holds(refused > 2 * ROUNDS, &format!("{refused} were refused"))?;
    drop(map);
    cgroup.given_back(slab)
}
