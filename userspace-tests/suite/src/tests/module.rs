// SPDX-License-Identifier: MIT OR Apache-2.0
//! The module that provides the type: references, removal, automatic loading.

use std::os::fd::{AsFd, AsRawFd};

use anyhow::Result;
use libc::{EINVAL, ENOENT, EPERM, EWOULDBLOCK};
use lpm_mtrie::Loader;
use raw_bpf::{sys, sys::map::MapAttr};

use super::pinning::Pin;
use crate::{
    check,
    harness::{Test, Type},
    kernel_module::{self as module, references, remove, wait_for},
    maps::{self, ARRAY_OF_MAPS, IPV4, value},
    model::ANY,
    objects,
    prefix::v4,
    unprivileged,
};

pub const TESTS: &[Test] = &[
    Test::mtrie("module_has_one_reference_per_map", per_map),
    Test::mtrie("module_is_kept_by_a_pin", pin_alone),
    Test::mtrie("module_is_kept_by_a_program", program_alone),
    Test::mtrie("module_is_kept_by_a_template", template_alone),
    Test::mtrie(
        "module_has_no_reference_after_failed_creations",
        failed_creations,
    ),
    Test::mtrie("module_stays_while_a_map_lives", stays),
    Test::mtrie("module_loads_when_a_map_is_created", loads_by_itself),
    Test::mtrie("module_does_not_load_without_cap_bpf", not_without_cap_bpf),
    Test::mtrie("module_does_not_load_for_bad_attributes", wrong_attributes),
];

/// Makes sure that the module is loaded and unused.
pub fn loaded_and_idle(on: Type) -> Result<()> {
    drop(maps::create(on, IPV4)?);
    check::holds(module::is_loaded(), "creating a map loads the module")?;
    wait_for(0)
}

/// Makes sure that the module is not loaded.
pub fn removed(on: Type) -> Result<()> {
    loaded_and_idle(on)?;
    check::ok(remove(), "delete_module of an idle module")?;
    check::holds(!module::is_loaded(), "the module is not loaded")
}

fn per_map(on: Type) -> Result<()> {
    loaded_and_idle(on)?;
    let first = maps::create(on, IPV4)?;
    check::equal(references()?, 1, "one map")?;
    let second = maps::create(on, IPV4)?;
    check::equal(references()?, 2, "two maps")?;
    let same = first.fd().try_clone_to_owned()?;
    check::equal(references()?, 2, "a second descriptor is no second map")?;
    drop(first);
    check::equal(references()?, 2, "a map with a descriptor left")?;
    drop((same, second));
    wait_for(0)
}

fn pin_alone(on: Type) -> Result<()> {
    loaded_and_idle(on)?;
    let pin = Pin::new("suite_module");
    sys::obj_pin(maps::create(on, IPV4)?.fd(), pin.path())?;
    check::equal(references()?, 1, "a pinned map")?;
    check::errno(remove(), EWOULDBLOCK, "removal while it is pinned")?;
    pin.remove();
    wait_for(0)
}

fn program_alone(on: Type) -> Result<()> {
    loaded_and_idle(on)?;
    let program = {
        let object = Loader::new().load(objects::SHARED)?;
        object.load_program("count")?
    };
    check::holds(references()? >= 1, "a map that only a program holds")?;
    check::errno(remove(), EWOULDBLOCK, "removal while the program is loaded")?;
    check::equal(
        program.test_run(&[0; 64])?.retval,
        0,
        "the program still runs",
    )?;
    drop(program);
    wait_for(0)
}

fn template_alone(on: Type) -> Result<()> {
    loaded_and_idle(on)?;
    let inner = maps::create(on, IPV4)?;
    let attr = maps::outer_attr(ARRAY_OF_MAPS, inner.fd());
    let outer = maps::create_fd(&attr)?;
    check::equal(
        references()?,
        2,
        "the inner map and the template made from it",
    )?;
    drop(inner);
    wait_for(1)?;
    check::errno(remove(), EWOULDBLOCK, "removal while the template lives")?;

    let map = maps::create(on, IPV4)?;
    let outer_map = raw_bpf::RawMap::new(outer.as_fd())?;
    outer_map.update(&[0; 4], &map.fd().as_raw_fd().to_ne_bytes(), ANY)?;
    drop(map);
    check::equal(references()?, 2, "the template and a map in the outer map")?;
    drop(outer);
    wait_for(0)
}

fn failed_creations(on: Type) -> Result<()> {
    loaded_and_idle(on)?;
    type Change = fn(&mut MapAttr);
    let bad: [(&str, Change); 4] = [
        ("refused by the type", |attr| attr.value_size = 0),
        ("refused for its file flags", |attr| {
            attr.map_flags |= maps::F_RDONLY | maps::F_WRONLY
        }),
        ("refused for its name, after it was allocated", |attr| {
            attr.name = [b'x'; 16]
        }),
        ("refused for offload", |attr| attr.ifindex = 1),
    ];
    for (what, change) in bad {
        let mut attr = maps::attr(on, IPV4);
        change(&mut attr);
        check::errno(maps::create_fd(&attr), EINVAL, what)?;
    }
    let not_an_inner = MapAttr {
        key_size: 5,
        ..maps::outer_attr(ARRAY_OF_MAPS, maps::create(on, IPV4)?.fd())
    };
    check::holds(
        maps::create_fd(&not_an_inner).is_err(),
        "an outer map of wrong key size",
    )?;
    wait_for(0)
}

fn stays(on: Type) -> Result<()> {
    loaded_and_idle(on)?;
    let map = maps::create(on, IPV4)?;
    let key = v4([10, 0, 0, 0], 8);
    map.update(&key, &value(1), ANY)?;
    check::errno(remove(), EWOULDBLOCK, "removal while a map lives")?;
    check::holds(module::is_loaded(), "the module is still there")?;
    check::equal(map.lookup(&key, 0)?, value(1), "the map still answers")?;
    drop(map);
    wait_for(0)?;
    check::ok(remove(), "removal after the last map")?;
    check::errno(remove(), ENOENT, "removal of a module that is not loaded")
}

fn loads_by_itself(on: Type) -> Result<()> {
    removed(on)?;
    let map = maps::create(on, IPV4)?;
    check::holds(module::is_loaded(), "creating a map loads the module")?;
    check::equal(references()?, 1, "the map holds it")?;
    map.update(&v4([10, 0, 0, 0], 8), &value(1), ANY)?;
    drop(map);
    wait_for(0)
}

fn not_without_cap_bpf(on: Type) -> Result<()> {
    removed(on)?;
    let attr = maps::attr(on, IPV4);
    let errno = unprivileged::errno_of(|| maps::create_fd(&attr))?;
    check::equal(errno, EPERM, "creation without capabilities")?;
    check::holds(!module::is_loaded(), "the module is not loaded")?;
    loaded_and_idle(on)
}

/// Attributes that the core refuses before it looks for the type load nothing.
fn wrong_attributes(on: Type) -> Result<()> {
    removed(on)?;
    let mut attr = maps::attr(on, IPV4);
    attr.map_extra = 1;
    check::errno(maps::create_fd(&attr), EINVAL, "map_extra 1")?;
    check::holds(!module::is_loaded(), "the module is not loaded")?;
    loaded_and_idle(on)
}
