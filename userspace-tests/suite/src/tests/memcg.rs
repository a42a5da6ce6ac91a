// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory cgroups: who is charged for a map, and what happens at the limit.
//!
//! The map is created inside a cgroup and written to from outside, so that the limit affects only
//! the map and not this process.

use std::{
    collections::BTreeMap, env, fs::File, io, mem, os::fd::AsRawFd, path::Path, ptr, thread,
};

use anyhow::{Context, Result, anyhow, bail};
use libc::{CPU_SET, ENOMEM, cpu_set_t, sched_setaffinity};

use super::create::field;
use crate::{
    check,
    child::Child,
    content::{self, Content},
    fault_injection,
    harness::{Test, Type},
    maps::{self, Shape},
    memory_cgroup::{MemoryCgroup, in_advance, kept_by_cpus},
    prefix::{Prefix, scattered},
    random::Random,
    requests::{By, Requests, SHAPE},
    wait,
};

pub const TESTS: &[Test] = &[
    Test::mtrie("memcg_charges_the_creator", charges_the_creator),
    Test::mtrie("memcg_charges_what_creation_takes", charges_creation),
    Test::mtrie("memcg_limit_refuses_syscalls", |on| limit(on, By::Syscall)),
    Test::mtrie("memcg_limit_refuses_programs", |on| limit(on, By::Program)),
    Test::both("memcg_cache_makes_room_for_syscalls", cache_makes_room),
    Test::both("memcg_full_of_a_map_kills_nobody", full_of_a_map),
];

const MIB: u64 = 1 << 20;

fn charges_the_creator(on: Type) -> Result<()> {
    let cgroup = MemoryCgroup::new("suite_charges")?;
    let attr = maps::attr(on, SHAPE);
    // The first object of a cgroup allocates structures that stay.
    drop(cgroup.create_map(&attr)?);
    let (current, slab) = cgroup.settled()?;

    let map = cgroup.create_map(&attr)?;
    let empty = field(&map, "memlock")?;
    for n in 0..1000 {
        map.update(&scattered(n), &value(n), 0)?;
    }
    let held = field(&map, "memlock")? - empty;
    let charged = cgroup.current()? - current;
    let in_advance = in_advance()?;
    // The debug kernel puts red zones around objects.
    let most = if fault_injection::is_needed_or_there() {
        4 * held
    } else {
        held + held / 2
    };
    check::holds(
        charged + in_advance >= held && charged <= most + in_advance,
        &format!("{charged} bytes are charged for a map that reports {held}"),
    )?;
    drop(map);
    cgroup.given_back(slab)
}

/// Empty maps, created for many entries: all that they hold is from their creation.
fn charges_creation(on: Type) -> Result<()> {
    const MAPS: u64 = 64;
    let cgroup = MemoryCgroup::new("suite_creation")?;
    let attr = maps::attr(
        on,
        Shape {
            max_entries: 1 << 20,
            ..SHAPE
        },
    );
    // The first object of a cgroup allocates structures that stay.
    let first = cgroup.create_map(&attr)?;
    let (_, slab) = cgroup.settled()?;
    let before = cgroup.objects()?;

    let made: Result<Vec<_>> = (0..MAPS).map(|_| cgroup.create_map(&attr)).collect();
    let made = made?;
    let held: Result<u64> = made.iter().map(|map| field(map, "memlock")).sum();
    let (held, unseen) = (held?, kept_by_cpus()?);
    check::holds(held > 2 * unseen, "empty maps hold enough to be seen")?;
    let mut charged = 0;
    // The kernel sums up the counts of its CPUs every other second.
    wait::until("the charge for what the maps hold", || {
        charged = cgroup.objects()?.saturating_sub(before);
        Ok(charged + unseen >= held)
    })
    .with_context(|| {
        format!("{charged} bytes are charged for {MAPS} empty maps that report {held}")
    })?;
    drop((first, made));
    cgroup.given_back(slab)
}

fn value(n: u32) -> Vec<u8> {
    n.to_ne_bytes().repeat(SHAPE.value as usize / 4)
}

/// The expected content of the map.
#[derive(Default)]
struct Expected(BTreeMap<Prefix, (Vec<u8>, Vec<u8>)>);

impl Expected {
    fn insert(&mut self, key: &[u8], value: &[u8]) {
        let prefix = Prefix::from_key(key);
        self.0.insert(prefix, (key.to_vec(), value.to_vec()));
    }

    fn check(&self, map: &Requests, why: &str) -> Result<()> {
        let want: Content = self.0.values().cloned().collect();
        content::same(&content::of(&map.map, 100_000)?, &want, why)
    }
}

fn limit(on: Type, by: By) -> Result<()> {
    let cgroup = MemoryCgroup::new("suite_limit")?;
    let attr = maps::attr(on, SHAPE);
    drop(cgroup.create_map(&attr)?);
    let (_, slab) = cgroup.settled()?;
    let bystander = cgroup.bystander()?;
    let map = Requests::new(on, cgroup.create_map(&attr)?, by)?;
    cgroup.limit(Some(cgroup.current()? + 4 * MIB))?;

    let mut expected = Expected::default();
    fill(&map, &mut expected)?;
    // The debug kernel's red zones nearly double an object.
    let least = MIB as usize / SHAPE.value as usize;
    let held = expected.0.len();
    check::holds(
        held > least,
        &format!("{held} values fit below the limit, more than {least}"),
    )?;
    expected.check(&map, "the map at the limit")?;
    at_the_limit(&map, &mut expected)?;
    expected.check(&map, "the map after attempts at the limit")?;

    cgroup.limit(None)?;
    let more = scattered(expected.0.len() as u32);
    check::ok(map.update(&more, &value(1)), "an update without a limit")?;
    expected.insert(&more, &value(1));

    cgroup.limit(Some(cgroup.current()?))?;
    fill(&map, &mut expected)?;
    make_room(&map, &mut expected)?;
    expected.check(&map, "the map after the recovery")?;
    check::equal(cgroup.killed()?, 0, "processes killed for the limit")?;

    drop((map, bystander));
    cgroup.given_back(slab)
}

/// A map that does not fit its cgroup, filled by a process outside of it.
fn full_of_a_map(on: Type) -> Result<()> {
    let cgroup = MemoryCgroup::new("suite_full")?;
    let map = Requests::new(on, cgroup.create_map(&maps::attr(on, SHAPE))?, By::Syscall)?;
    let bystander = cgroup.bystander()?;
    cgroup.limit(Some(cgroup.current()? + 4 * MIB))?;
    fill(&map, &mut Expected::default())?;
    check::equal(cgroup.killed()?, 0, "processes killed for the limit")?;
    drop(bystander);
    Ok(())
}

/// New prefixes up to the limit.
fn fill(map: &Requests, expected: &mut Expected) -> Result<()> {
    for n in (expected.0.len() as u32..).take(10_000) {
        match map.update(&scattered(n), &value(n)) {
            Ok(()) => expected.insert(&scattered(n), &value(n)),
            refused => return check::errno(refused, ENOMEM, "an update at the limit"),
        }
    }
    bail!("the limit was never reached")
}

/// Replacements, splits and growing nodes: each works or changes nothing.
fn at_the_limit(map: &Requests, expected: &mut Expected) -> Result<()> {
    let mut random = Random::new(1);
    for n in 0..200 {
        let present = scattered(random.below(expected.0.len()) as u32);
        let shorter = Prefix::new(random.below(33) as u32, &present[4..]).key();
        let wanted = if n % 2 == 0 { present } else { shorter };
        match map.update(&wanted, &value(n)) {
            Ok(()) => expected.insert(&wanted, &value(n)),
            Err(error) => check::equal(error.raw_os_error(), Some(ENOMEM), "the errno")?,
        }
    }
    Ok(())
}

/// Deletes every second prefix; a deletion may have to wait for the memory of
/// earlier ones. Then there is room for new prefixes.
fn make_room(map: &Requests, expected: &mut Expected) -> Result<()> {
    let prefixes: Vec<Prefix> = expected.0.keys().step_by(2).cloned().collect();
    let mut waited = 0;
    for prefix in &prefixes {
        let key = prefix.key();
        waited += u32::from(patiently("a deletion", || map.delete(&key))?);
        expected.0.remove(prefix);
    }
    print!("{waited} of {} deletions had to wait ... ", prefixes.len());
    for n in 20_000..20_100 {
        patiently("an update", || map.update(&scattered(n), &value(n)))?;
        expected.insert(&scattered(n), &value(n));
    }
    Ok(())
}

/// Repeats a call that fails for lack of memory; `true` if it had to. On each CPU in turn, because
/// freed memory stays charged in advance to the CPU that freed it, up to 64 pages, and a program,
/// which may not wait, gets none of that from another CPU.
fn patiently(what: &str, mut write: impl FnMut() -> io::Result<()> + Send) -> Result<bool> {
    let mut attempt = || match write() {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == Some(ENOMEM) => Ok(false),
        Err(error) => Err(error).with_context(|| what.to_owned()),
    };
    if attempt()? {
        return Ok(false);
    }
    let mut cpus = (0..thread::available_parallelism()?.get()).cycle();
    // A separate thread, whose CPU affinity ends with it.
    let repeated = thread::scope(|scope| {
        let repeating = || {
            wait::until(what, || {
                cpus.next().map_or(Ok(()), move_to_cpu)?;
                attempt()
            })
        };
        scope.spawn(repeating).join()
    });
    repeated.map_err(|_| anyhow!("a thread panicked"))??;
    Ok(true)
}

fn move_to_cpu(cpu: usize) -> Result<()> {
    // SAFETY: cpu_set_t is an array of integers; all zeros is the empty set.
    let mut set: cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: It sets a bit of the array, and checks that there is such a bit.
    unsafe { CPU_SET(cpu, &mut set) };
    // SAFETY: The kernel reads a set of that size.
    let result = unsafe { sched_setaffinity(0, mem::size_of_val(&set), &set) };
    check::equal(result, 0, "sched_setaffinity")
}

/// A cgroup at its limit, but mostly with a file's content that nobody needs: a caller that can
/// wait for memory gets it.
fn cache_makes_room(on: Type) -> Result<()> {
    let cgroup = MemoryCgroup::new("suite_cache")?;
    let map = cgroup.create_map(&maps::attr(on, SHAPE))?;
    let bystander = cgroup.bystander()?;
    let before = cgroup.current()?;
    let read = Child::start(|| {
        cgroup.enter()?;
        read_uncached(&env::current_exe()?)
    })?;
    check::equal(read.errno()?, 0, "the errno of reading a file")?;
    let (now, room) = (cgroup.current()?, cgroup.current()?.saturating_sub(before));
    check::holds(
        room > 4 * MIB,
        &format!("{room} bytes are charged for the content of a file; more than 4 MiB expected"),
    )?;
    cgroup.limit(Some(now))?;
    for n in 0..(room / 4) as u32 / SHAPE.value {
        check::ok(
            map.update(&scattered(n), &value(n), 0),
            &format!("update {n} by bpf(2)"),
        )?;
    }
    check::equal(cgroup.killed()?, 0, "processes killed for the limit")?;
    drop(bystander);
    Ok(())
}

/// Reads a file, after dropping its cached pages except the mapped ones. By mmap, because virtme-ng's
/// 9p caches nothing that read(2) returns.
fn read_uncached(path: &Path) -> io::Result<()> {
    let file = File::open(path)?;
    let (fd, len) = (file.as_raw_fd(), file.metadata()?.len() as usize);
    // SAFETY: posix_fadvise takes numbers; a length of 0 is the whole file.
    let errno = unsafe { libc::posix_fadvise(fd, 0, 0, libc::POSIX_FADV_DONTNEED) };
    if errno != 0 {
        return Err(io::Error::from_raw_os_error(errno));
    }
    let flags = libc::MAP_PRIVATE | libc::MAP_POPULATE;
    // SAFETY: a new mapping, at an address that the kernel chooses.
    let content = unsafe { libc::mmap(ptr::null_mut(), len, libc::PROT_READ, flags, fd, 0) };
    if content == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: mapped above, and nothing refers to it.
    if unsafe { libc::munmap(content, len) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
