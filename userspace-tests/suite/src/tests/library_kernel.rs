// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the library gains on kernels that return the length of a match, start walks anywhere, and
//! remove an entry and return its value at one moment.

use std::{
    os::fd::AsFd,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use anyhow::{Result, bail};
use ipnet::Ipv4Net;
use libc::{EEXIST, ENOENT, ETIMEDOUT};
use lpm_mtrie::{Error, Mode, PrefixKey, Value};
use raw_bpf::RawMap;

use super::library::{Expected, Routes, clustered, net, routes};
use crate::{
    check,
    harness::{Test, Type},
    maps::{self, IPV4},
    prefix::Prefix,
    random::Random,
};

pub const TESTS: &[Test] = &[
    Test::both("library_kernel_finds_the_length", tells_the_length),
    Test::both("library_kernel_match_is_of_one_moment", match_of_one_moment),
    Test::both("library_kernel_matches_in_exclusive_maps", exclusive),
    Test::mtrie("library_kernel_walks_from_any_prefix", walks_from_anywhere),
    Test::mtrie("library_kernel_reads_one_entry", reads_one_entry),
    Test::mtrie("library_kernel_takes_one_entry", takes_one_entry),
    Test::mtrie("library_kernel_drains_what_it_removes", drains),
];

fn needs(there: bool, what: &str) -> Result<()> {
    check::holds(there, &format!("this kernel has {what}"))
}

fn tells_the_length(on: Type) -> Result<()> {
    let map = routes(on, 1000)?;
    needs(map.features().match_len, "the kfunc bpf_lpm_match_len")?;
    let mut random = Random::new(21);
    let expected = Expected::fill(&map, 400, &mut random)?;
    for _ in 0..500 {
        let key = clustered(&mut random);
        let covering = expected.covering(&key);
        let longest = covering.first().copied();
        check::equal(map.longest_match(key)?, longest, &format!("match of {key}"))?;
        check::equal(map.covering(key)?, covering, &format!("matches of {key}"))?;
    }
    Ok(())
}

/// The kernel refuses the library's program on a map that is for another one.
fn exclusive(on: Type) -> Result<()> {
    let hash = [0u8; 32];
    let mut attr = maps::attr(on, IPV4);
    attr.excl_prog_hash = hash.as_ptr() as u64;
    attr.excl_prog_hash_size = 32;
    let map = Routes::from_fd(check::ok(maps::create_fd(&attr), "create")?)?;
    map.insert(&net(INNER.0), &INNER.1)?;
    let found = map.longest_match(net("10.1.2.3/32"))?;
    check::equal(found, Some((net(INNER.0), INNER.1)), "without the program")
}

const OUTER: (&str, u64) = ("10.0.0.0/8", 8);
const INNER: (&str, u64) = ("10.1.0.0/16", 16);

/// Calls `look` while another thread adds and removes the inner one of two
/// nested prefixes.
fn while_it_comes_and_goes(map: &Routes, look: impl FnMut() -> Result<()>) -> Result<()> {
    let inner = net(INNER.0);
    map.insert(&net(OUTER.0), &OUTER.1)?;
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let changes = scope.spawn(|| -> Result<u64, Error> {
            let mut changes = 0;
            // Relaxed: it only says that `look` will not be called again.
            while !stop.load(Ordering::Relaxed) {
                map.insert(&inner, &INNER.1)?;
                map.remove(&inner)?;
                changes += 1;
            }
            Ok(changes)
        });
        let looks = (0..3000).try_for_each({
            let mut look = look;
            move |_| look()
        });
        stop.store(true, Ordering::Relaxed);
        let Ok(changes) = changes.join() else {
            bail!("the thread that changes the map panicked");
        };
        check::holds(changes? > 0, "the map changed meanwhile")?;
        looks
    })
}

fn match_of_one_moment(on: Type) -> Result<()> {
    let map = routes(on, 10)?;
    needs(map.features().match_len, "the kfunc bpf_lpm_match_len")?;
    let (outer, inner) = ((net(OUTER.0), OUTER.1), (net(INNER.0), INNER.1));
    let address = net("10.1.2.3/32");
    while_it_comes_and_goes(&map, || match map.longest_match(address) {
        Ok(Some((prefix, _))) if prefix == outer.0 || prefix == inner.0 => Ok(()),
        Err(Error::Busy) => Ok(()),
        other => bail!("the longest match of {address}: {other:?}"),
    })
}

fn walks_from_anywhere(on: Type) -> Result<()> {
    let map = routes(on, 1000)?;
    needs(map.features().positions, "positions as cursors of batches")?;
    let mut random = Random::new(22);
    let expected = Expected::fill(&map, 400, &mut random)?;
    let in_order = expected.in_order()?;
    let raw = RawMap::new(map.as_fd())?;
    let sorted = |prefix: &Ipv4Net| Prefix::from_key(&key(prefix));
    for _ in 0..500 {
        let position = clustered(&mut random);
        let batch = raw.lookup_batch(Some(&key(&position)), 3);
        let after = in_order
            .iter()
            .filter(|(prefix, _)| sorted(prefix) > sorted(&position));
        let want: Vec<_> = after
            .take(3)
            .map(|(prefix, value)| (key(prefix), value.bytes().to_vec()))
            .collect();
        check::equal(batch.elements, want, &format!("entries after {position}"))?;
    }
    Ok(())
}

fn key(prefix: &Ipv4Net) -> Vec<u8> {
    Prefix::new(prefix.prefix_len().into(), prefix.data().as_ref()).key()
}

/// Key and value are of the same entry: never the value of the outer prefix.
fn reads_one_entry(on: Type) -> Result<()> {
    let map = routes(on, 10)?;
    needs(map.features().positions, "positions as cursors of batches")?;
    let inner = net(INNER.0);
    while_it_comes_and_goes(&map, || {
        match map.get(&inner)? {
            None | Some(16) => {}
            Some(value) => bail!("get of {inner} found the value {value}"),
        }
        for entry in map.iter() {
            match entry? {
                (prefix, value) if value == u64::from(prefix.prefix_len()) => {}
                entry => bail!("the walk returned {entry:?}"),
            }
        }
        Ok(())
    })
}

fn takes_one_entry(on: Type) -> Result<()> {
    let map = routes(on, 10)?;
    map.insert(&net(OUTER.0), &OUTER.1)?;
    map.insert(&net(INNER.0), &INNER.1)?;
    let raw = RawMap::new(map.as_fd())?;
    let taken = raw.lookup_and_delete(&key(&net(INNER.0)), 0);
    let taken = check::ok(taken, "BPF_MAP_LOOKUP_AND_DELETE_ELEM")?;
    check::equal(u64::from_bytes(&taken), 16, "the value of the entry")?;
    check::equal(map.take(&net(INNER.0))?, None, "it was removed")?;
    check::equal(map.take(&net(OUTER.0))?, Some(8), "the other one")?;
    let rest: Vec<_> = map.iter().collect::<Result<_, _>>()?;
    check::equal(rest, vec![], "none is left")
}

/// A counter is incremented while the map is drained repeatedly: the drained counts and the rest
/// add up to all of them.
fn drains(on: Type) -> Result<()> {
    let map = routes(on, 10)?;
    let raw = RawMap::new(map.as_fd())?;
    let none = raw.lookup_and_delete_batch(None, 4);
    check::errno(none.result, ENOENT, "BPF_MAP_LOOKUP_AND_DELETE_BATCH")?;

    let all: Vec<_> = (1..=200u64).collect();
    let prefix = net(INNER.0);
    let stop = AtomicBool::new(false);
    let drained = thread::scope(|scope| {
        let drained = scope.spawn(|| -> Result<Vec<u64>, Error> {
            let mut drained = vec![];
            // Relaxed: it only says that no more follow.
            while !stop.load(Ordering::Relaxed) {
                drained.extend(map.drain()?.into_iter().map(|(_, value)| value));
            }
            Ok(drained)
        });
        let sent = all.iter().try_for_each(|value| -> Result<()> {
            loop {
                match map.update(&prefix, value, Mode::Add) {
                    Ok(()) => return Ok(()),
                    // The previous one is still there: only the other thread removes it. Or that
                    // one has the lock, and its virtual CPU does not run.
                    Err(error) if matches!(error.errno(), Some(EEXIST | ETIMEDOUT)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        });
        while sent.is_ok() && map.contains(&prefix)? {}
        stop.store(true, Ordering::Relaxed);
        match drained.join() {
            Ok(drained) => sent.and(Ok(drained?)),
            Err(_) => bail!("the thread that drains the map panicked"),
        }
    })?;
    check::equal(drained, all, "each value was drained once")
}
