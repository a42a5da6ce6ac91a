// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every attribute that BPF_MAP_CREATE must refuse, with its errno.

use anyhow::{Result, bail};
use libc::{EACCES, EBADF, EFAULT, EINVAL};
use lpm_mtrie::{Loader, MapType, ObjectError};
use raw_bpf::sys::map::MapAttr;

use crate::{
    check,
    harness::{Test, Type},
    maps::{
        self, F_NO_PREALLOC, F_NUMA_NODE, F_RDONLY, F_RDONLY_PROG, F_TOKEN_FD, F_WRONLY,
        F_WRONLY_PROG, IPV4,
    },
    objects,
};

pub const TESTS: &[Test] = &[
    Test::both("attributes_out_of_range_are_refused", refused),
    Test::both("attributes_at_their_limits_are_accepted", accepted),
    Test::both("attributes_unknown_flags_are_refused", unknown_flags),
    Test::both("attributes_exclusive_map_is_refused_to_others", exclusive),
    Test::mtrie("attributes_undeclared_type_is_refused", undeclared_type),
];

type Change = fn(&mut MapAttr);

/// No program has this SHA-256.
static HASH: [u8; 32] = [0; 32];

fn refused(on: Type) -> Result<()> {
    let rows: &[(&str, i32, Change)] = &[
        ("max_entries 0", EINVAL, |a| a.max_entries = 0),
        ("key_size 0", EINVAL, |a| a.key_size = 0),
        ("key_size 4: no data", EINVAL, |a| a.key_size = 4),
        ("key_size 261: 257 bytes of data", EINVAL, |a| {
            a.key_size = 261
        }),
        ("key_size 2^32-1", EINVAL, |a| a.key_size = u32::MAX),
        ("value_size 0", EINVAL, |a| a.value_size = 0),
        ("value_size 2^32-1", EINVAL, |a| a.value_size = u32::MAX),
        ("value_size 4 MiB: no slab holds it", EINVAL, |a| {
            a.value_size = 4 << 20
        }),
        ("RDONLY and WRONLY", EINVAL, |a| {
            a.map_flags |= F_RDONLY | F_WRONLY
        }),
        ("RDONLY_PROG and WRONLY_PROG", EINVAL, |a| {
            a.map_flags |= F_RDONLY_PROG | F_WRONLY_PROG;
        }),
        ("map_extra 1", EINVAL, |a| a.map_extra = 1),
        ("a NUMA node that is not there", EINVAL, |a| {
            a.map_flags |= F_NUMA_NODE;
            a.numa_node = 1023;
        }),
        ("map_ifindex of lo: no offload", EINVAL, |a| a.ifindex = 1),
        ("a space in the name", EINVAL, |a| *a = a.named("two words")),
        ("a name of 16 bytes", EINVAL, |a| a.name = [b'x'; 16]),
        ("a key's BTF type without a value's", EINVAL, |a| {
            a.btf_key_type_id = 1
        }),
        ("btf_vmlinux_value_type_id", EINVAL, |a| {
            a.btf_vmlinux_value_type_id = 1
        }),
        ("BTF types with a bad descriptor", EBADF, |a| {
            a.btf_fd = 1 << 20;
            a.btf_key_type_id = 1;
            a.btf_value_type_id = 1;
        }),
        ("a value after the last attribute", EINVAL, |a| {
            a.unknown = 1
        }),
        ("a bad token descriptor", EBADF, |a| {
            a.map_flags |= F_TOKEN_FD;
            a.map_token_fd = 1 << 20;
        }),
        ("a token's descriptor that is standard input", EINVAL, |a| {
            a.map_flags |= F_TOKEN_FD
        }),
        ("a hash without a size", EINVAL, |a| {
            a.excl_prog_hash = HASH.as_ptr() as u64
        }),
        ("a hash of 31 bytes", EINVAL, |a| {
            a.excl_prog_hash = HASH.as_ptr() as u64;
            a.excl_prog_hash_size = 31;
        }),
        ("a hash's size without a hash", EINVAL, |a| {
            a.excl_prog_hash_size = 32
        }),
        ("a hash at an unmapped address", EFAULT, |a| {
            a.excl_prog_hash = 8;
            a.excl_prog_hash_size = 32;
        }),
    ];
    for (what, errno, change) in rows {
        let mut attr = maps::attr(on, IPV4);
        change(&mut attr);
        check::errno(maps::create_fd(&attr), *errno, what)?;
    }
    Ok(())
}

fn accepted(on: Type) -> Result<()> {
    let rows: &[(&str, Change)] = &[
        ("key_size 5: one byte of data", |a| a.key_size = 5),
        ("key_size 260: 256 bytes of data", |a| a.key_size = 260),
        ("value_size 1", |a| a.value_size = 1),
        ("value_size 64 KiB", |a| a.value_size = 64 << 10),
        ("max_entries 1", |a| a.max_entries = 1),
        ("max_entries 2^32-1", |a| a.max_entries = u32::MAX),
        ("NUMA node 0", |a| a.map_flags |= F_NUMA_NODE),
        ("a NUMA node without the flag", |a| a.numa_node = 1023),
        ("RDONLY", |a| a.map_flags |= F_RDONLY),
        ("WRONLY", |a| a.map_flags |= F_WRONLY),
        ("RDONLY_PROG", |a| a.map_flags |= F_RDONLY_PROG),
        ("WRONLY_PROG", |a| a.map_flags |= F_WRONLY_PROG),
        ("inner_map_fd, which is for maps of maps", |a| {
            a.inner_map_fd = 1 << 20
        }),
        ("map_token_fd without the flag", |a| {
            a.map_token_fd = 1 << 20
        }),
        ("value_type_btf_obj_fd without the flag", |a| {
            a.value_type_btf_obj_fd = 1 << 20
        }),
        ("btf_fd without types", |a| a.btf_fd = 1 << 20),
        ("a hash of 32 bytes", |a| {
            a.excl_prog_hash = HASH.as_ptr() as u64;
            a.excl_prog_hash_size = 32;
        }),
        ("no name", |a| a.name = [0; 16]),
        ("a name of dots and underscores", |a| {
            *a = a.named("a.b_c.1")
        }),
    ];
    for (what, change) in rows {
        let mut attr = maps::attr(on, IPV4);
        change(&mut attr);
        check::ok(maps::create_fd(&attr), what)?;
    }
    Ok(())
}

fn unknown_flags(on: Type) -> Result<()> {
    let known = F_NO_PREALLOC | F_NUMA_NODE | F_RDONLY | F_WRONLY | F_RDONLY_PROG | F_WRONLY_PROG;
    for flag in (0..32).map(|bit| 1u32 << bit) {
        if (known | F_TOKEN_FD) & flag == 0 {
            let mut attr = maps::attr(on, IPV4);
            attr.map_flags |= flag;
            check::errno(maps::create_fd(&attr), EINVAL, &format!("flag {flag:#x}"))?;
        }
    }
    Ok(())
}

/// A map that is reserved for one program, by its hash, is refused to others.
fn exclusive(on: Type) -> Result<()> {
    let mut attr = maps::attr(on, IPV4);
    attr.excl_prog_hash = HASH.as_ptr() as u64;
    attr.excl_prog_hash_size = 32;
    let fd = check::ok(maps::create_fd(&attr), "create")?;
    let object = Loader::new().reuse("lpm", fd).load(objects::SHARED)?;
    match object.load_program("count") {
        Err(ObjectError::Program { source, .. }) => {
            check::errno(Err::<(), _>(source.error), EACCES, "the wrong program")?;
            check::holds(source.log.contains("excl_prog_hash"), &source.log)
        }
        Err(error) => Err(error.into()),
        Ok(_) => bail!("a program of another hash was accepted"),
    }
}

fn undeclared_type(on: Type) -> Result<()> {
    // 0 is "unspecified"; the others are beyond any kernel's table.
    for number in [0, 1000, u32::MAX] {
        let mut attr = maps::attr(on, IPV4);
        attr.map_type = MapType::from_number(number).number();
        check::errno(
            maps::create_fd(&attr),
            EINVAL,
            &format!("map type {number}"),
        )?;
    }
    Ok(())
}
