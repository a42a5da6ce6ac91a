// SPDX-License-Identifier: MIT OR Apache-2.0
//! BPF_F_RDONLY and BPF_F_WRONLY for userspace, and their twins for programs.

use anyhow::{Result, bail};
use libc::{EACCES, EPERM};
use lpm_mtrie::{Loader, ObjectError, RawMap};

use crate::{
    check,
    harness::{Test, Type, Types},
    maps::{self, F_RDONLY, F_RDONLY_PROG, F_WRONLY, F_WRONLY_PROG, IPV4, Shape, value},
    model::ANY,
    objects,
    prefix::v4,
};

pub const TESTS: &[Test] = &[
    Test {
        name: "access_rdonly",
        types: Types::Both,
        run: rdonly,
    },
    Test {
        name: "access_wronly",
        types: Types::Both,
        run: wronly,
    },
    Test {
        name: "access_of_programs",
        types: Types::Both,
        run: programs,
    },
];

fn with_flags(on: Type, flags: u32, shape: Shape) -> Result<RawMap> {
    let mut attr = maps::attr(on, shape);
    attr.map_flags |= flags;
    check::ok(
        RawMap::create(&attr),
        &format!("create with flags {flags:#x}"),
    )
}

fn rdonly(on: Type) -> Result<()> {
    let map = with_flags(on, F_RDONLY, IPV4)?;
    let key = v4([10, 0, 0, 0], 8);
    check::errno(map.update(&key, &value(1), ANY), EPERM, "update")?;
    check::errno(map.delete(&key), EPERM, "delete")?;
    check::errno(map.lookup(&key, 0), libc::ENOENT, "lookup is allowed")?;
    check::errno(map.next_key(None), libc::ENOENT, "next_key is allowed")
}

fn wronly(on: Type) -> Result<()> {
    let map = with_flags(on, F_WRONLY, IPV4)?;
    let key = v4([10, 0, 0, 0], 8);
    check::ok(map.update(&key, &value(1), ANY), "update")?;
    check::errno(map.lookup(&key, 0), EPERM, "lookup")?;
    check::errno(map.next_key(None), EPERM, "next_key")?;
    check::ok(map.delete(&key), "delete")
}

/// `count` writes through the value, `report` reads it: the verifier lets
/// through what the map's flags allow.
fn programs(on: Type) -> Result<()> {
    let shape = Shape {
        max_entries: 64,
        ..IPV4
    };
    for (flags, program, why) in [
        (
            F_RDONLY_PROG,
            "count",
            "a write into a map that programs only read",
        ),
        (
            F_WRONLY_PROG,
            "report",
            "a read from a map that programs only write",
        ),
    ] {
        let fd = with_flags(on, flags, shape)?;
        let fd = fd.fd().try_clone_to_owned()?;
        let object = Loader::new().reuse("lpm", fd).load(objects::SHARED)?;
        match object.load_program(program) {
            Err(ObjectError::Program { source, .. }) => {
                check::errno(Err::<(), _>(source.error), EACCES, why)?;
                check::holds(source.log.contains("forbidden"), &source.log)?;
            }
            Err(error) => return Err(error.into()),
            Ok(_) => bail!("{why}: the program was accepted"),
        }
    }
    let fd = with_flags(on, F_RDONLY_PROG, shape)?
        .fd()
        .try_clone_to_owned()?;
    let object = Loader::new().reuse("lpm", fd).load(objects::SHARED)?;
    object.load_program("report")?;
    Ok(())
}
