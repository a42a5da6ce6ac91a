// SPDX-License-Identifier: MIT OR Apache-2.0
//! Providers that behave badly (rust-kmod/tests): one in C and one in Rust whose init fails after
//! it has registered, one that unregisters its type while its maps live.

use std::{
    fs,
    os::fd::{AsFd, AsRawFd},
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    thread,
};

use anyhow::{Context, Result, anyhow, bail};
use libc::{EINVAL, ENODEV};
use raw_bpf::RawMap;

use super::{
    module::{loaded_and_idle, removed},
    module_life::image,
};
use crate::{
    check,
    harness::{Test, Type},
    kernel_module::{self as module, NoAutoload},
    maps::{self, ARRAY_OF_MAPS, IPV4},
    model::ANY,
};

pub const TESTS: &[Test] = &[
    Test::mtrie(
        "module_whose_init_fails_after_registration_creates_no_map",
        init_fails,
    ),
    Test::mtrie(
        "module_map_of_another_provider_is_rejected_by_a_template",
        second_provider,
    ),
];

const PROVIDER: &str = "bpf_test_map_provider";

/// All CPUs create maps meanwhile; if one of them gets a map, that map's code is freed while it
/// exists.
fn init_fails(on: Type) -> Result<()> {
    const ROUNDS: usize = 5;
    removed(on)?;
    let without_modprobe = NoAutoload::new()?;
    let (done, refused) = (AtomicBool::new(false), AtomicU32::new(0));
    let create = || -> Result<()> {
        while !done.load(Ordering::Relaxed) {
            match maps::create_fd(&maps::attr(on, IPV4)) {
                Ok(_) => bail!("a map was created by a provider whose init has not finished"),
                Err(error) if error.raw_os_error() == Some(EINVAL) => {
                    refused.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => bail!("creation gave {error}, not EINVAL"),
            }
        }
        Ok(())
    };
    let in_c = format!("type={} fail_after_ms=100", on.map_type().number());
    let modules = [(PROVIDER, in_c.as_str()), ("bpf_test_map_fails", "")];
    let insert = || -> Result<()> {
        for (name, parameters) in modules.repeat(ROUNDS) {
            let before = refused.load(Ordering::Relaxed);
            let Err(error) = module::insert_test_module(name, parameters) else {
                bail!("{name} stayed, but its init should fail");
            };
            let errno = error.downcast::<std::io::Error>()?.raw_os_error();
            check::equal(errno, Some(ENODEV), "the errno of the failing init")?;
            check::holds(
                refused.load(Ordering::Relaxed) > before,
                "maps were requested while the init ran",
            )?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let cpus = thread::available_parallelism()?.get();
        let creators: Vec<_> = (0..cpus).map(|_| scope.spawn(create)).collect();
        let inserted = insert();
        done.store(true, Ordering::Relaxed);
        // Join all of them before reporting the first error.
        let created: Vec<Result<()>> = creators
            .into_iter()
            .map(|creator| creator.join().map_err(|_| anyhow!("a creator panicked"))?)
            .collect();
        created.into_iter().collect::<Result<()>>()?;
        inserted
    })?;
    drop(without_modprobe);
    loaded_and_idle(on)
}

/// A program that was compiled for the template calls the first provider's code
/// directly, on whatever map is in the outer one.
fn second_provider(on: Type) -> Result<()> {
    removed(on)?;
    let number = on.map_type().number();
    module::insert_test_module(PROVIDER, &format!("type={number}"))?;
    let first = check::ok(
        maps::create_fd(&maps::attr(on, IPV4)),
        "a map of the first provider",
    )?;
    let outer = RawMap::new(maps::create_fd(&maps::outer_attr(
        ARRAY_OF_MAPS,
        first.as_fd(),
    ))?)?;
    let put = |map: i32| outer.update(&[0; 4], &map.to_ne_bytes(), ANY);
    check::ok(put(first.as_raw_fd()), "its map goes into the outer map")?;

    let trigger = format!("/sys/module/{PROVIDER}/parameters/unregister");
    fs::write(&trigger, "1").context(trigger)?;
    check::ok(
        module::insert(&image()?, c""),
        "the module registers as the second provider",
    )?;
    let second = maps::create(on, IPV4)?;
    let refused = check::errno(
        put(second.fd().as_raw_fd()),
        EINVAL,
        "a map of the second provider in the first one's outer map",
    );
    check::ok(
        put(first.as_raw_fd()),
        "a map of the first provider still goes into it",
    )?;

    drop((first, outer, second));
    module::remove_when_idle(c"bpf_test_map_provider")?;
    loaded_and_idle(on)?;
    refused
}
