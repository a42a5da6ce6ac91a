// SPDX-License-Identifier: MIT OR Apache-2.0
//! Loading and removing the module: repeatedly, concurrently with creations, and modules that the
//! kernel rejects.

use std::{
    fs,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};
use libc::{EINVAL, ENOEXEC, EWOULDBLOCK};

use super::module::{loaded_and_idle, removed};
use crate::{
    check,
    harness::{Test, Type},
    kernel_module::{self as module, NoAutoload, insert, remove, wait_for},
    maps::{self, IPV4, value},
    memory::KernelMemory,
    model::ANY,
    prefix::v4,
    wait,
};

pub const TESTS: &[Test] = &[
    // On the debug kernel, memory figures are useless, because KASAN keeps freed memory for a while.
    Test::mtrie("module_leaks_nothing_when_loaded_500_times", many_times).not_on_debug(),
    Test::mtrie(
        "module_can_be_removed_while_maps_are_created",
        against_creation,
    ),
    Test::mtrie("module_loads_for_concurrent_creations", many_at_once),
    Test::mtrie("module_for_another_kernel_is_refused", another_kernel),
];

pub(super) fn image() -> Result<Vec<u8>> {
    let path = module::path()?;
    fs::read(&path).with_context(|| path.display().to_string())
}

/// Creates, writes, reads and closes a map.
pub(super) fn use_a_map(on: Type) -> Result<()> {
    let map = maps::create(on, IPV4)?;
    let key = v4([10, 0, 0, 0], 8);
    map.update(&key, &value(1), ANY)?;
    check::equal(
        map.lookup(&v4([10, 1, 2, 3], 32), 0)?,
        value(1),
        "the value",
    )
}

const ROUNDS: u64 = 500;
/// Caches and pools fill before the figures are taken.
const WARM_UP: u64 = 20;
/// If each round leaked a page, that would be four times as much.
const ALLOWED_PER_ROUND: u64 = 1024;

fn many_times(on: Type) -> Result<()> {
    removed(on)?;
    let image = image()?;
    let round = || -> Result<()> {
        insert(&image, c"")?;
        use_a_map(on)?;
        wait_for(0)?;
        check::ok(remove(), "delete_module")
    };
    (0..WARM_UP).try_for_each(|_| round())?;
    let before = KernelMemory::now()?;
    (0..ROUNDS).try_for_each(|_| round())?;

    let mut after = before;
    // What a round leaves is freed after grace periods and by workers.
    wait::until("memory to be freed", || {
        after = KernelMemory::now()?;
        Ok(after.growth_since(&before) < ROUNDS * ALLOWED_PER_ROUND)
    })
    .with_context(|| format!("{before:?}, and after {ROUNDS} rounds {after:?}"))?;
    loaded_and_idle(on)
}

/// One thread inserts and removes the module while the other creates maps: a map is created and
/// works, or there is no provider.
fn against_creation(on: Type) -> Result<()> {
    const CYCLES: u32 = 30;
    removed(on)?;
    let image = image()?;
    let without_modprobe = NoAutoload::new()?;
    let (done, made, refused) = (AtomicBool::new(false), AtomicU32::new(0), AtomicU32::new(0));
    let create = || -> Result<()> {
        match maps::create_fd(&maps::attr(on, IPV4)) {
            Ok(fd) => {
                let map = raw_bpf::RawMap::new(fd)?;
                let key = v4([10, 0, 0, 0], 8);
                map.update(&key, &value(1), ANY)?;
                check::equal(
                    map.lookup(&key, 0)?,
                    value(1),
                    "a map that was created works",
                )?;
                made.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) if error.raw_os_error() == Some(EINVAL) => {
                refused.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => bail!("creation gave {error}, not success or EINVAL"),
        }
        Ok(())
    };
    let cycle = || -> Result<()> {
        insert(&image, c"").context("insert")?;
        loop {
            match remove() {
                Ok(()) => return Ok(()),
                Err(error) if error.raw_os_error() == Some(EWOULDBLOCK) => thread::yield_now(),
                Err(error) => return Err(error).context("removal"),
            }
        }
    };
    thread::scope(|scope| {
        let creating = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                create()?;
                // Maps are freed by a worker: without a pause there would always be one.
                thread::sleep(Duration::from_millis(1));
            }
            Ok(())
        });
        let mut cycles = 0;
        let ended = wait::until("both outcomes of creation", || {
            cycle()?;
            cycles += 1;
            let seen = made
                .load(Ordering::Relaxed)
                .min(refused.load(Ordering::Relaxed));
            Ok(creating.is_finished() || cycles >= CYCLES && seen > 0)
        });
        done.store(true, Ordering::Relaxed);
        creating
            .join()
            .map_err(|_| anyhow!("the creating thread panicked"))?
            .and(ended)
    })?;
    drop(without_modprobe);
    loaded_and_idle(on)
}

/// Four threads create the first map: each triggers modprobe, and all get a map.
fn many_at_once(on: Type) -> Result<()> {
    removed(on)?;
    thread::scope(|scope| {
        let threads = [(); 4].map(|()| scope.spawn(|| use_a_map(on)));
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().map_err(|_| anyhow!("a thread panicked"))?)
    })?;
    check::holds(module::is_loaded(), "the module is loaded")?;
    wait_for(0)
}

/// The release is in the module's vermagic, which must match the kernel's.
fn another_kernel(on: Type) -> Result<()> {
    removed(on)?;
    let mut image = image()?;
    let magic = b"vermagic=";
    let at = image
        .windows(magic.len())
        .position(|window| window == magic)
        .context("the module has a vermagic")?
        + magic.len();
    check::ok(insert(&image, c""), "the module as it was built")?;
    check::ok(remove(), "its removal")?;
    // 7.3.4 becomes 6.3.4.
    image[at] -= 1;
    check::errno(
        insert(&image, c""),
        ENOEXEC,
        "the same for an older release",
    )?;
    check::holds(!module::is_loaded(), "it is not there")?;
    loaded_and_idle(on)
}
