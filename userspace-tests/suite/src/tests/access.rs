// SPDX-License-Identifier: MIT OR Apache-2.0
//! BPF_F_RDONLY and BPF_F_WRONLY for userspace, and their counterparts for programs.

use std::{io, os::fd::OwnedFd};

use anyhow::Result;
use libc::{EACCES, EINVAL, ENOENT, EPERM};
use lpm_mtrie::{Loader, Object, ObjectError};
use raw_bpf::{RawMap, sys};

use super::pinning::Pin;
use crate::{
    check,
    harness::{Test, Type},
    maps::{self, F_RDONLY, F_RDONLY_PROG, F_WRONLY, F_WRONLY_PROG, IPV4, Shape, value},
    model::ANY,
    objects,
    prefix::v4,
};

pub const TESTS: &[Test] = &[
    Test::both("access_rdonly_forbids_writes", rdonly),
    Test::both("access_wronly_forbids_reads", wronly),
    Test::both("access_flags_restrict_descriptors", descriptors),
    Test::both("access_flags_restrict_programs", programs),
    Test::both(
        "access_flags_for_programs_do_not_restrict_userspace",
        programs_and_userspace,
    ),
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
    refused_writes(&map, &key)?;
    check::errno(map.lookup(&key, 0), ENOENT, "lookup is allowed")?;
    check::errno(map.next_key(None), ENOENT, "next_key is allowed")?;
    check::errno(
        map.lookup_batch(None, 1).result,
        ENOENT,
        "and a batch of them",
    )
}

fn wronly(on: Type) -> Result<()> {
    let map = with_flags(on, F_WRONLY, IPV4)?;
    let key = v4([10, 0, 0, 0], 8);
    check::ok(map.update(&key, &value(1), ANY), "update")?;
    refused_reads(&map, &key)?;
    check::ok(map.delete(&key), "delete")?;
    let batch = map.update_batch(&[(key.clone(), value(1))], ANY);
    check::ok(batch.result, "update batch")?;
    check::ok(map.delete_batch(&[key]).result, "delete batch")
}

/// The same limits on a descriptor, whatever the map's own flags are.
fn descriptors(on: Type) -> Result<()> {
    let map = with_flags(on, 0, IPV4)?;
    let key = v4([10, 0, 0, 0], 8);
    map.update(&key, &value(1), ANY)?;
    let id = sys::map::info(map.fd())?.id;
    let pin = Pin::new("suite_access");
    sys::obj_pin(map.fd(), pin.path())?;
    type Open<'a> = &'a dyn Fn(u32) -> io::Result<OwnedFd>;
    let openers: [(&str, Open); 2] = [
        ("by its id", &|flags| sys::map::fd_by_id_for(id, flags)),
        ("by its pin", &|flags| sys::obj_get(pin.path(), flags)),
    ];
    for (how, open) in openers {
        check::errno(open(F_RDONLY | F_WRONLY), EINVAL, how)?;
        check::errno(open(1 << 2), EINVAL, how)?;

        let reader = RawMap::new(open(F_RDONLY)?)?;
        check::equal(reader.lookup(&key, 0)?, value(1), how)?;
        check::equal(reader.next_key(None)?, key.clone(), how)?;
        check::equal(reader.lookup_batch(None, 1).elements.len(), 1, how)?;
        refused_writes(&reader, &key)?;

        let writer = RawMap::new(open(F_WRONLY)?)?;
        check::ok(writer.update(&key, &value(1), ANY), how)?;
        refused_reads(&writer, &key)?;
    }
    check::equal(map.lookup(&key, 0)?, value(1), "the first descriptor")
}

fn refused_writes(map: &RawMap, key: &[u8]) -> Result<()> {
    let element = (key.to_vec(), value(9));
    check::errno(map.update(key, &element.1, ANY), EPERM, "update")?;
    check::errno(map.delete(key), EPERM, "delete")?;
    let keys = [key.to_vec()];
    check::errno(map.delete_batch(&keys).result, EPERM, "delete batch")?;
    check::errno(
        map.update_batch(&[element], ANY).result,
        EPERM,
        "update batch",
    )?;
    check::errno(map.freeze(), EPERM, "freeze")
}

fn refused_reads(map: &RawMap, key: &[u8]) -> Result<()> {
    check::errno(map.lookup(key, 0), EPERM, "lookup")?;
    check::errno(map.next_key(None), EPERM, "next_key")?;
    check::errno(map.lookup_batch(None, 1).result, EPERM, "lookup batch")
}

/// The verifier's verdict on the programs of bpf/access.bpf.c: accepted, or a line that forbids
/// reading or writing.
fn programs(on: Type) -> Result<()> {
    const YES: &str = "";
    const READ: &str = "read from map forbidden";
    const WRITE: &str = "write into map forbidden";
    for (flags, verdicts) in [
        (
            F_RDONLY_PROG,
            [
                ("lookup", YES),
                ("read_value", YES),
                ("write_value", WRITE),
                ("update", WRITE),
                ("delete", WRITE),
            ],
        ),
        (
            F_WRONLY_PROG,
            [
                ("lookup", YES),
                ("read_value", READ),
                ("write_value", YES),
                ("update", YES),
                ("delete", YES),
            ],
        ),
    ] {
        let map = with_flags(on, flags, IPV4)?;
        let fd = map.fd().try_clone_to_owned()?;
        let object = Loader::new().reuse("lpm", fd).load(objects::ACCESS)?;
        for (program, forbidden) in verdicts {
            let why = format!("{program} with map flags {flags:#x}");
            match object.load_program(program) {
                Ok(_) => check::equal(YES, forbidden, &why)?,
                Err(ObjectError::Program { source, .. }) => {
                    check::holds(forbidden != YES, &format!("{why}: {source}"))?;
                    check::errno(Err::<(), _>(source.error), EACCES, &why)?;
                    check::holds(source.log.contains(forbidden), &source.log)?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

/// Flags for programs do not restrict userspace, and what is allowed takes effect.
fn programs_and_userspace(on: Type) -> Result<()> {
    let key = v4([10, 1, 0, 0], 16);
    let loaded = |flags| -> Result<(RawMap, Object)> {
        let map = with_flags(on, flags, IPV4)?;
        map.update(&key, &value(1), ANY)?;
        check::equal(map.lookup(&key, 0)?, value(1), "userspace reads and writes")?;
        let fd = map.fd().try_clone_to_owned()?;
        Ok((map, Loader::new().reuse("lpm", fd).load(objects::ACCESS)?))
    };
    let (_, object) = loaded(F_RDONLY_PROG)?;
    let run = |object: &Object, program: &str| -> Result<u32> {
        Ok(object.load_program(program)?.test_run(&[0; 64])?.retval)
    };
    check::equal(run(&object, "read_value")?, 1, "a program reads")?;

    let (map, object) = loaded(F_WRONLY_PROG)?;
    check::equal(run(&object, "write_value")?, 1, "a program writes in place")?;
    check::equal(map.lookup(&key, 0)?, value(2), "what it wrote")?;
    check::equal(run(&object, "delete")?, 0, "a program deletes")?;
    check::errno(map.next_key(None), ENOENT, "the map is empty")?;
    check::equal(run(&object, "update")?, 0, "a program updates")?;
    check::equal(map.lookup(&key, 0)?, value(2), "what it wrote")
}
