// SPDX-License-Identifier: MIT OR Apache-2.0
//! Random calls on whole maps: creation, ids, info, pins, freezing, and garbage attributes.

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use anyhow::{Context, Result, ensure};
use aya_obj::generated::bpf_cmd::{self, *};
use libc::{EEXIST, ENOENT, EPERM};
use raw_bpf::{RawMap, sys};

use super::{tally::Tally, target::Target};
use crate::{
    harness::Type,
    maps::{self, IPV4},
    random::Random,
    raw_call::RawCall,
    tests::pinning::Pin,
};

pub fn throw(on: Type, random: &mut Random, target: &mut Target, tally: &mut Tally) -> Result<()> {
    match random.below(20) {
        0..6 => create(on, random, tally),
        6..9 => ids(random, target, tally),
        9..12 => info(random, target, tally),
        12..14 => pin(random, target, tally),
        14 => freeze(target, tally),
        _ => garbage(random, target, tally),
    }
}

fn make(tally: &mut Tally, what: &'static str, call: &mut RawCall) -> Result<i64, i32> {
    // SAFETY: addresses are in the call's own memory, or never mapped.
    let result = unsafe { call.make() };
    tally.count(what, result.err().unwrap_or(0));
    result
}

fn taken(fd: i64) -> OwnedFd {
    // SAFETY: the call has just returned this descriptor; nobody else has it.
    unsafe { OwnedFd::from_raw_fd(fd as i32) }
}

fn one(random: &mut Random, of: &[u32]) -> u32 {
    of[random.below(of.len())]
}

/// Accepted if and only if every attribute is within the limits.
fn create(on: Type, random: &mut Random, tally: &mut Tally) -> Result<()> {
    const KNOWN: u32 = maps::F_NO_PREALLOC
        | maps::F_NUMA_NODE
        | maps::F_RDONLY
        | maps::F_WRONLY
        | maps::F_RDONLY_PROG
        | maps::F_WRONLY_PROG;
    let mut attr = maps::attr(on, IPV4);
    for _ in 0..random.below(4) {
        let any = random.next() as u32;
        match random.below(4) {
            0 => attr.key_size = one(random, &[0, 3, 4, 5, 6, 20, 260, 261, u32::MAX, any]),
            1 => attr.value_size = one(random, &[0, 1, 7, 8, 4096, 1 << 16, u32::MAX]),
            2 => attr.max_entries = one(random, &[0, 1, 65_535, 65_536, u32::MAX, any]),
            _ => attr.map_flags ^= 1 << random.below(20),
        }
    }
    let both = |flags: u32| attr.map_flags & flags == flags;
    let good = (5..=260).contains(&attr.key_size)
        && (1..=1 << 16).contains(&attr.value_size)
        && attr.max_entries > 0
        && attr.map_flags & !KNOWN == 0
        && !both(maps::F_RDONLY | maps::F_WRONLY)
        && !both(maps::F_RDONLY_PROG | maps::F_WRONLY_PROG);
    let result = make(tally, "create", &mut RawCall::create(&attr));
    ensure!(result.is_ok() == good, "create of {attr:?}: {result:?}");
    let Ok(fd) = result else { return Ok(()) };
    let info = sys::map::info(taken(fd).as_fd())?;
    ensure!(
        (info.key_size, info.max_entries) == (attr.key_size, attr.max_entries),
        "the info of {attr:?}"
    );
    Ok(())
}

fn ids(random: &mut Random, target: &Target, tally: &mut Tally) -> Result<()> {
    let id = sys::map::info(target.map.fd())?.id;
    let wanted = one(random, &[id, id, id - 1, 0, 1 << 30, u32::MAX]);
    let mut next = RawCall::new(BPF_MAP_GET_NEXT_ID as u32).put32(0, wanted);
    if make(tally, "get_next_id", &mut next).is_ok() {
        ensure!(next.get32(4) > wanted, "the id after {wanted}");
    }
    let flags = one(random, &[0, 0, 0, maps::F_RDONLY, 1 << 20]);
    let mut by_id = RawCall::new(BPF_MAP_GET_FD_BY_ID as u32)
        .put32(0, wanted)
        .put32(8, flags);
    match make(tally, "get_fd_by_id", &mut by_id) {
        Ok(fd) => {
            let found = sys::map::info(taken(fd).as_fd())?.id;
            ensure!(found == wanted && flags != 1 << 20, "the id {wanted}");
        }
        Err(errno) => ensure!(wanted != id || flags == 1 << 20, "the id {id}: {errno}"),
    }
    Ok(())
}

fn info(random: &mut Random, target: &Target, tally: &mut Tally) -> Result<()> {
    let mut call = RawCall::info(target.map.fd());
    let (all, address) = (call.get32(4), random.below(3) > 0);
    let len = one(random, &[0, 1, 8, 80, all, all, 5000, u32::MAX]);
    call = call.put32(4, len);
    if len > all || !address {
        // The kernel reads the bytes that it does not know, to check that they are zero.
        call = call.put64(8, one(random, &[0, 1, 4095]).into());
    }
    let result = make(tally, "info", &mut call);
    let written = result.is_ok() && len >= 4;
    ensure!(
        !written || call.memory(0)[..4] == target_type(target)?.to_ne_bytes(),
        "info of {len} bytes"
    );
    Ok(())
}

fn target_type(target: &Target) -> Result<u32> {
    Ok(sys::map::info(target.map.fd())?.type_)
}

fn pin(random: &mut Random, target: &Target, tally: &mut Tally) -> Result<()> {
    let pin = Pin::new("suite_fuzz");
    let mut path = [pin.path().as_os_str().as_encoded_bytes(), b"\0"].concat();
    let good = random.below(2) == 0;
    if !good {
        // Somewhere before "/sys/fs/bpf/": there is no such directory, and no BPF file system.
        path[1 + random.below(10)] = 1 + random.below(46) as u8;
    }
    let result = make(tally, "pin", &mut RawCall::pin(target.map.fd(), &path));
    ensure!(result.is_ok() == good, "pin to {path:?}: {result:?}");
    let again = make(tally, "pin", &mut RawCall::pin(target.map.fd(), &path));
    ensure!(!good || again == Err(EEXIST), "pin twice: {again:?}");
    match make(tally, "get", &mut RawCall::get(&path)) {
        Ok(fd) => {
            let map = RawMap::new(taken(fd))?;
            ensure!(good && map.key_size() == target.map.key_size(), "get");
        }
        Err(errno) => ensure!(!good, "get: {errno}"),
    }
    pin.remove();
    let gone = make(tally, "get", &mut RawCall::get(&path));
    ensure!(!good || gone == Err(ENOENT), "get after unpin: {gone:?}");
    Ok(())
}

fn freeze(target: &mut Target, tally: &mut Tally) -> Result<()> {
    // A frozen map has no writable descriptor, which is checked first.
    let want = if target.frozen { Err(EPERM) } else { Ok(0) };
    let result = make(tally, "freeze", &mut RawCall::freeze(target.map.fd()));
    ensure!(result == want, "freeze: {result:?}, expected {want:?}");
    target.frozen = true;
    Ok(())
}

/// Every existing command on maps, except those that would freeze or fill something.
const GARBAGE: [bpf_cmd; 14] = [
    BPF_MAP_LOOKUP_ELEM,
    BPF_MAP_UPDATE_ELEM,
    BPF_MAP_DELETE_ELEM,
    BPF_MAP_GET_NEXT_KEY,
    BPF_OBJ_PIN,
    BPF_OBJ_GET,
    BPF_MAP_GET_NEXT_ID,
    BPF_MAP_GET_FD_BY_ID,
    BPF_OBJ_GET_INFO_BY_FD,
    BPF_MAP_LOOKUP_AND_DELETE_ELEM,
    BPF_MAP_LOOKUP_BATCH,
    BPF_MAP_LOOKUP_AND_DELETE_BATCH,
    BPF_MAP_UPDATE_BATCH,
    BPF_MAP_DELETE_BATCH,
];

/// Words that are no valid addresses, so that the map's content stays.
fn garbage(random: &mut Random, target: &Target, tally: &mut Tally) -> Result<()> {
    let cmd = GARBAGE[random.below(GARBAGE.len())];
    let fd = target.map.fd().as_raw_fd() as u64;
    let mut call = RawCall::new(cmd as u32);
    for at in (0..64).step_by(8) {
        let words = [
            0,
            0,
            fd,
            fd << 32,
            fd << 32 | 7,
            4095,
            u64::MAX,
            random.next() | 1 << 63,
        ];
        call = call.put64(at, words[random.below(words.len())]);
    }
    call.size = random.below(80);
    let result = make(tally, "garbage", &mut call);
    if let (BPF_MAP_GET_FD_BY_ID, Ok(fd)) = (cmd, result) {
        drop(taken(fd));
    }
    target
        .check()
        .with_context(|| format!("after garbage for {cmd:?}: {:?}", call.attr))
}
