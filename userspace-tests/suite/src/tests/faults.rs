// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every allocation and user copy of every command on elements fails once: the command has done its
//! work, or returns ENOMEM or EFAULT and has changed nothing. A batch has processed its first
//! elements, each of them completely.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use aya_obj::generated::bpf_cmd::{self, *};
use libc::{EFAULT, ENOMEM};
use raw_bpf::RawMap;

use super::create::field;
use crate::{
    check,
    content::{self, Content},
    fault_injection::{FaultInjection, report},
    harness::{Test, Type},
    maps::{self, Shape},
    model::ANY,
    prefix::v4,
    raw_call::RawCall,
    wait,
};

macro_rules! test {
    ($name:ident, $shape:expr, $present:expr, $call:expr) => {
        Test::mtrie(concat!("faults_in_", stringify!($name)), |on| {
            one_call(on, $shape, &$present, $call)
        })
    };
}

pub(super) type Address = ([u8; 4], u32);

pub(super) const EIGHT: Address = ([10, 0, 0, 0], 8);
/// Two neighbours in a node, and one far below it.
pub(super) const THREE: [Address; 3] = [EIGHT, ([10, 64, 0, 0], 10), ([10, 1, 2, 3], 32)];
pub(super) const NONE: [Address; 0] = [];
/// A size of values that are replaced in place, and one of values that take a new entry.
const SMALL: Shape = shape(8, 100);
const LARGE: Shape = shape(200, 100);
/// The largest number of siblings in a node of each kind, see docs/node-layout.md; the largest kind
/// has no limit.
pub(super) const SIX: [Address; 6] = siblings();
pub(super) const FIFTY_FIVE: [Address; 55] = siblings();
pub(super) const MORE: [Address; 56] = siblings();
/// It is not a sibling yet.
pub(super) const ONE_MORE: Address = ([10, 200, 0, 0], 16);

const fn siblings<const N: usize>() -> [Address; N] {
    let mut addresses = [EIGHT; N];
    let mut n = 1;
    while n < N {
        addresses[n] = ([10, n as u8, 0, 0], 16);
        n += 1;
    }
    addresses
}

const fn shape(value: u32, max_entries: u32) -> Shape {
    Shape {
        data: 4,
        value,
        max_entries,
    }
}

pub const TESTS: &[Test] = &[
    test!(update_of_the_first, SMALL, NONE, |map| update(map, EIGHT)),
    test!(update_in_place, SMALL, THREE, |map| update(map, EIGHT)),
    test!(update_of_a_large_value, LARGE, THREE, |map| update(
        map, EIGHT
    )),
    test!(update_that_grows_a_node, SMALL, THREE, |map| update(
        map,
        ([10, 192, 0, 0], 10)
    )),
    test!(update_that_splits_a_leaf, SMALL, THREE, |map| update(
        map,
        ([10, 1, 3, 3], 32)
    )),
    test!(
        update_that_splits_a_path,
        SMALL,
        [([10, 1, 2, 3], 32), ([10, 1, 2, 4], 32)],
        |map| update(map, ([10, 9, 9, 9], 32))
    ),
    test!(update_that_makes_a_node_packed, SMALL, SIX, |map| update(
        map, ONE_MORE
    )),
    test!(update_that_makes_a_node_full, SMALL, FIFTY_FIVE, |map| {
        update(map, ONE_MORE)
    }),
    test!(update_in_a_full_node, SMALL, MORE, |map| update(
        map,
        ([10, 0, 0, 0], 9)
    )),
    test!(delete_in_a_full_node, SMALL, MORE, |map| delete(
        map, MORE[55]
    )),
    test!(delete_of_the_last, LARGE, [EIGHT], |map| delete(map, EIGHT)),
    test!(delete_that_shrinks_a_node, SMALL, THREE, |map| delete(
        map,
        ([10, 64, 0, 0], 10)
    )),
    test!(
        delete_that_ends_a_node,
        SMALL,
        [EIGHT, ([10, 1, 2, 3], 32)],
        |map| delete(map, ([10, 1, 2, 3], 32))
    ),
    test!(lookup, LARGE, THREE, |map| {
        let room = vec![0; map.value_size()];
        RawCall::element(BPF_MAP_LOOKUP_ELEM, map.fd(), &key(EIGHT), &room)
    }),
    test!(lookup_and_delete, LARGE, THREE, |map| {
        let room = vec![0; map.value_size()];
        let taken = key(([10, 64, 0, 0], 10));
        RawCall::element(BPF_MAP_LOOKUP_AND_DELETE_ELEM, map.fd(), &taken, &room)
    }),
    test!(get_next_key, LARGE, THREE, |map| {
        let room = vec![0; map.key_size()];
        RawCall::element(BPF_MAP_GET_NEXT_KEY, map.fd(), &key(THREE[2]), &room)
    }),
    test!(freeze, SMALL, THREE, |map| RawCall::freeze(map.fd())),
    test!(info, SMALL, THREE, |map| RawCall::info(map.fd())),
    test!(lookup_batch, LARGE, THREE, |map| batch(
        BPF_MAP_LOOKUP_BATCH,
        map,
        2
    )),
    Test::mtrie("faults_in_update_batch", |on| {
        one_batch(on, BPF_MAP_UPDATE_BATCH, &[EIGHT])
    }),
    Test::mtrie("faults_in_delete_batch", |on| {
        one_batch(on, BPF_MAP_DELETE_BATCH, &IN_BATCH)
    }),
    // Deleted elements are lost if they cannot be copied.
    Test::mtrie("faults_in_lookup_and_delete_batch", |on| {
        one_batch(on, BPF_MAP_LOOKUP_AND_DELETE_BATCH, &IN_BATCH)
    }),
];

pub(super) fn key((address, len): Address) -> Vec<u8> {
    v4(address, len)
}

fn update(map: &RawMap, address: Address) -> RawCall {
    let value = vec![0x77; map.value_size()];
    RawCall::update(map.fd(), &key(address), &value)
}

fn delete(map: &RawMap, address: Address) -> RawCall {
    RawCall::element(BPF_MAP_DELETE_ELEM, map.fd(), &key(address), &[])
}

/// The elements of the batches, which split, grow and shrink nodes.
const IN_BATCH: [Address; 4] = [
    ([10, 64, 0, 0], 10),
    ([10, 1, 2, 3], 32),
    ([10, 1, 2, 4], 32),
    ([10, 9, 0, 0], 16),
];

fn batch(cmd: bpf_cmd, map: &RawMap, count: usize) -> RawCall {
    let keys = IN_BATCH.map(key).concat();
    let values = vec![0x77; map.value_size() * IN_BATCH.len()];
    RawCall::batch(
        cmd,
        map.fd(),
        &vec![0; map.key_size()],
        &keys,
        &values,
        count,
    )
}

/// The state of a map: its content, the memory that it reports, whether it is frozen.
#[derive(PartialEq)]
pub(super) struct State {
    pub(super) content: Content,
    memory: u64,
    frozen: u64,
}

impl State {
    pub(super) fn of(map: &RawMap) -> Result<Self> {
        Ok(Self {
            content: content::of(map, 100)?,
            memory: field(map, "memlock")?,
            frozen: field(map, "frozen")?,
        })
    }

    /// As [`of`](Self::of), once nothing waits for readers any more: the memory has not changed for
    /// longer than a grace period usually takes.
    pub(super) fn settled(map: &RawMap) -> Result<Self> {
        let (mut memory, mut since) = (0, Instant::now());
        wait::until("the memory of removed nodes", || {
            let now = field(map, "memlock")?;
            if now != memory {
                (memory, since) = (now, Instant::now());
            }
            Ok(since.elapsed() > Duration::from_millis(200))
        })?;
        Self::of(map)
    }
}

pub(super) fn prepared(on: Type, shape: Shape, present: &[Address]) -> Result<RawMap> {
    let map = maps::create(on, shape)?;
    let value = vec![0x11; shape.value as usize];
    // A deletion first, which allocates the batch of retired objects, which stays.
    let elsewhere = v4([99, 0, 0, 0], 8);
    map.update(&elsewhere, &value, ANY)?;
    map.delete(&elsewhere)?;
    for address in present {
        map.update(&key(*address), &value, ANY)?;
    }
    Ok(map)
}

/// Makes the call on fresh maps, with a fault at each possible place in turn, until there is none.
/// `states[k]` is the state after the first `k` parts of its work.
fn every_fault(
    new: impl Fn() -> Result<RawMap>,
    call: impl Fn(&RawMap) -> RawCall,
    states: &[State],
) -> Result<()> {
    let injection = FaultInjection::new()?;
    for nth in 1.. {
        let map = new()?;
        let mut call = call(&map);
        // SAFETY: the call's addresses are in its own memory, which has the map's sizes.
        let (result, hit) = injection.at(nth, || unsafe { call.make() })?;
        let why = || format!("fault {nth} (met: {hit}), result {result:?}");

        let now = State::of(&map).with_context(why)?;
        match result {
            Ok(_) => ensure!(
                states.last() == Some(&now),
                "{}: it has not done its work",
                why()
            ),
            Err(errno) => {
                ensure!(hit && [ENOMEM, EFAULT].contains(&errno), "{}", why());
                ensure!(
                    states.contains(&now),
                    "{}: it has done half of its work",
                    why()
                );
            }
        }
        if !hit {
            report(nth - 1);
            return Ok(());
        }
    }
    unreachable!("a call with an endless number of faults")
}

/// A call that does one thing or nothing.
fn one_call(
    on: Type,
    shape: Shape,
    present: &[Address],
    call: fn(&RawMap) -> RawCall,
) -> Result<()> {
    let new = || prepared(on, shape, present);
    let twin = new()?;
    let before = State::of(&twin)?;
    // SAFETY: as in `every_fault`.
    let result = unsafe { call(&twin).make() };
    check::holds(result.is_ok(), &format!("without a fault: {result:?}"))?;
    every_fault(new, call, &[before, State::of(&twin)?])
}

fn one_batch(on: Type, cmd: bpf_cmd, present: &[Address]) -> Result<()> {
    let new = || prepared(on, LARGE, present);
    let after = |count| {
        let twin = new()?;
        // SAFETY: as in `every_fault`.
        let result = unsafe { batch(cmd, &twin, count).make() };
        check::equal(result, Ok(0), "without a fault")?;
        State::of(&twin)
    };
    let states: Vec<State> = (0..=IN_BATCH.len()).map(after).collect::<Result<_>>()?;
    every_fault(new, |map| batch(cmd, map, IN_BATCH.len()), &states)
}
