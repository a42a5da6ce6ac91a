// SPDX-License-Identifier: MIT OR Apache-2.0
//! Nested prefixes, every 8 bits of the longest key, deleted from short to long while memory is
//! refused: no sequence of refusals leaves a prefix that cannot be deleted.

use std::{io, os::fd::AsFd};

use anyhow::{Context, Result};
use libc::{ENOENT, ENOMEM};
use lpm_mtrie::{Loader, Object, Program};
use raw_bpf::RawMap;

use super::create::field;
use crate::{
    check,
    child::Child,
    harness::{Test, Type},
    kernel_module,
    maps::{self, Shape},
    memory_refusal::Refusal,
    model::ANY,
    objects,
    prefix::Prefix,
    requests::By,
    wait,
};

pub const TESTS: &[Test] = &[
    Test::mtrie(
        "refused_memory_leaves_nested_prefixes_that_programs_can_delete",
        |on| deleted(on, By::Program),
    ),
    Test::mtrie(
        "refused_memory_leaves_nested_prefixes_that_syscalls_can_delete",
        |on| deleted(on, By::Syscall),
    ),
    Test::mtrie("refused_memory_does_not_outlive_a_fatal_signal", killed),
];

const DATA: usize = 256;
const SHAPE: Shape = Shape {
    data: DATA as u32,
    value: 8,
    max_entries: 4096,
};

fn key(bytes: u32) -> Vec<u8> {
    Prefix::new(8 * bytes, &[0x5a; DATA]).key()
}

/// A map of bpf/nested.bpf.c, and its program.
struct Nested {
    object: Object,
    map: RawMap,
    remove: Program,
}

impl Nested {
    fn new(on: Type) -> Result<Self> {
        let object = Loader::new()
            .lpm_type(on.map_type())
            .load(objects::NESTED)?;
        let map = RawMap::new(object.map("lpm")?.fd().as_fd().try_clone_to_owned()?)?;
        let remove = object.load_program("remove")?;
        Ok(Self {
            object,
            map,
            remove,
        })
    }

    fn delete(&self, by: By, key: &[u8]) -> io::Result<()> {
        if by == By::Syscall {
            return self.map.delete(key);
        }
        let request = self.object.map("request").map_err(io::Error::other)?;
        RawMap::new(request.fd().as_fd())?.update(&[0; 4], key, ANY)?;
        match self.remove.test_run(&[0; 64])?.retval {
            0 => Ok(()),
            errno => Err(io::Error::from_raw_os_error(errno as i32)),
        }
    }
}

fn deleted(on: Type, by: By) -> Result<()> {
    let nested = Nested::new(on)?;
    for bytes in 1..=DATA as u32 {
        check::ok(nested.map.update(&key(bytes), &[1; 8], ANY), "an update")?;
    }
    let refusal = Refusal::new()?;
    let mut left = vec![];
    refusal.always(|| {
        for bytes in 1..=DATA as u32 {
            match nested.delete(By::Program, &key(bytes)) {
                Ok(()) => {}
                Err(error) => {
                    check::equal(
                        error.raw_os_error(),
                        Some(ENOMEM),
                        "the errno of a deletion",
                    )?;
                    left.push(bytes);
                }
            }
        }
        Ok(())
    })?;
    drop(refusal);
    print!("{} of {DATA} were left ... ", left.len());
    check::holds(!left.is_empty(), "some deletions fail without memory")?;
    for bytes in left {
        check::ok(
            nested.delete(by, &key(bytes)),
            &format!("a deletion of {bytes} bytes when there is memory"),
        )?;
    }
    check::errno(nested.map.next_key(None), ENOENT, "the map is empty")?;

    // Removed nodes and removed entries are collected in batches, which are submitted when they
    // hold 16 KiB.
    let most = field(&maps::create(on, SHAPE)?, "memlock")? + 2 * (16 << 10);
    let mut held = 0;
    wait::until("the map to hold no more than an empty one", || {
        held = field(&nested.map, "memlock")?;
        Ok(held <= most)
    })
    .with_context(|| format!("it holds {held} bytes, at most {most} are allowed"))
}

/// A child all of whose non-waiting requests for memory are refused updates and deletes endlessly.
fn killed(on: Type) -> Result<()> {
    const PROGRESS: u32 = 100;
    let map = maps::create(on, SHAPE)?;
    let child = Child::start(|| -> io::Result<()> {
        let refusal = Refusal::new().map_err(io::Error::other)?;
        refusal
            .always(|| {
                for bytes in (1..=DATA as u32).cycle() {
                    map.update(&key(bytes), &[1; 8], ANY)?;
                    if bytes > PROGRESS {
                        map.delete(&key(bytes - PROGRESS))?;
                    }
                }
                Ok(())
            })
            .map_err(io::Error::other)
    })?;
    let updated = wait::until("the child to update", || {
        Ok(map.keys(DATA)?.len() >= PROGRESS as usize)
    });
    let died = child.dies_of_sigkill();
    // The child cannot clean up any more.
    let removed = kernel_module::remove_by_name(c"refuse_memory");
    updated?;
    died?;
    check::ok(removed, "removal of refuse_memory")?;
    check::ok(map.update(&key(1), &[2; 8], ANY), "an update after it")
}
