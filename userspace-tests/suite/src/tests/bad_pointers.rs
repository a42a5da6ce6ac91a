// SPDX-License-Identifier: MIT OR Apache-2.0
//! bpf(2) with wrong addresses, descriptors and sizes: each gives its errno, and the map stays
//! unchanged.

use std::{fs::File, io, mem, os::fd::AsRawFd};

use anyhow::Result;
use aya_obj::generated::bpf_cmd::{self, *};
use libc::{E2BIG, EBADF, EFAULT, EINVAL};
use raw_bpf::{RawMap, sys};

use crate::{
    btf_blob, check,
    harness::{Test, Type},
    maps::{self, IPV4, value},
    model::ANY,
    pages::BeforeNothing,
    prefix::v4,
    raw_call,
};

pub const TESTS: &[Test] = &[
    Test::both("bad_pointers_to_elements_change_nothing", elements),
    Test::both("bad_pointers_to_batches_stop_them", batches),
    Test::both("batch_unknown_element_flags_are_refused", batch_flags),
    Test::both("bad_pointers_to_attributes_are_refused", attributes),
    Test::both("bad_descriptors_are_refused", descriptors),
];

/// The attributes of the element commands.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Element {
    map_fd: u64,
    key: u64,
    value: u64,
    flags: u64,
}

/// The attributes of the batch commands.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Batch {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map_fd: u32,
    elem_flags: u64,
    flags: u64,
}

/// Any bpf(2) call: the kernel checks whatever is passed.
fn call<A>(cmd: bpf_cmd, attr: &mut A) -> io::Result<i64> {
    call_at(cmd, (&raw mut *attr) as u64, mem::size_of::<A>())
}

fn call_at(cmd: bpf_cmd, attr: u64, size: usize) -> io::Result<i64> {
    // SAFETY: the callers pass addresses of their own live buffers, or ones where this process has
    // nothing that could be overwritten.
    unsafe { raw_call::bpf(cmd as u32, attr, size) }.map_err(io::Error::from_raw_os_error)
}

/// Addresses without memory of this process: null, an unmapped page, a bit pattern that is not an
/// address, and a kernel address.
const NOWHERE: [u64; 4] = [0, 8, 1 << 63, 0xffff_ffff_8100_0000];

/// A map with one prefix.
fn one_prefix(on: Type) -> Result<(RawMap, Vec<u8>)> {
    let map = maps::create(on, IPV4)?;
    let key = v4([10, 0, 0, 0], 8);
    map.update(&key, &value(1), ANY)?;
    Ok((map, key))
}

fn unchanged(map: &RawMap, key: &[u8], why: &str) -> Result<()> {
    check::equal(map.keys(10)?, vec![key.to_vec()], why)?;
    check::equal(map.lookup(key, 0)?, value(1), why)
}

fn elements(on: Type) -> Result<()> {
    let (map, key) = one_prefix(on)?;
    let mut buffer = value(2);
    let (good_key, good) = (key.as_ptr() as u64, buffer.as_mut_ptr() as u64);
    // Seven bytes where the map's keys and values take eight.
    let page = BeforeNothing::new(&[0; 7])?;
    for bad in NOWHERE.into_iter().chain([page.address()]) {
        for (what, cmd, key_at, value_at) in [
            ("lookup, key", BPF_MAP_LOOKUP_ELEM, bad, good),
            ("lookup, value", BPF_MAP_LOOKUP_ELEM, good_key, bad),
            ("update, key", BPF_MAP_UPDATE_ELEM, bad, good),
            ("update, value", BPF_MAP_UPDATE_ELEM, good_key, bad),
            ("delete, key", BPF_MAP_DELETE_ELEM, bad, 0),
            ("next_key, next", BPF_MAP_GET_NEXT_KEY, 0, bad),
            ("next_key, key", BPF_MAP_GET_NEXT_KEY, bad, good),
        ] {
            if cmd == BPF_MAP_GET_NEXT_KEY && key_at == 0 && value_at == good {
                continue; // Null asks for the first key.
            }
            let mut attr = Element {
                map_fd: map.fd().as_raw_fd() as u64,
                key: key_at,
                value: value_at,
                ..Element::default()
            };
            let why = format!("{what} at {bad:#x}");
            check::errno(call(cmd, &mut attr), EFAULT, &why)?;
            unchanged(&map, &key, &why)?;
        }
    }
    Ok(())
}

/// `count` prefixes as one buffer of keys, in the map's order.
fn packed_keys(count: u8) -> Vec<u8> {
    (0..count).flat_map(|n| v4([10, n, 0, 0], 16)).collect()
}

/// The kernel returns in `count` how many elements it processed before the fault.
fn batches(on: Type) -> Result<()> {
    let map = maps::create(on, IPV4)?;
    let keys = packed_keys(8);
    let mut values = [0; 64];
    let mut next = [0; 8];
    let good = Batch {
        map_fd: map.fd().as_raw_fd() as u32,
        count: 8,
        keys: keys.as_ptr() as u64,
        values: values.as_mut_ptr() as u64,
        out_batch: next.as_mut_ptr() as u64,
        ..Batch::default()
    };
    let faults = |cmd, attr: Batch, count: u32, why: &str| {
        let mut attr = attr;
        check::errno(call(cmd, &mut attr), EFAULT, why)?;
        check::equal(attr.count, count, why)
    };

    // Three elements, and half of the fourth.
    let three = BeforeNothing::new(&packed_keys(4)[..28])?;
    let bad_keys = Batch {
        keys: three.address(),
        ..good
    };
    let bad_values = Batch {
        values: three.address(),
        ..good
    };
    faults(BPF_MAP_UPDATE_BATCH, bad_keys, 3, "update, three keys")?;
    check::equal(map.keys(20)?.concat(), packed_keys(3), "three are there")?;
    faults(
        BPF_MAP_DELETE_BATCH,
        Batch {
            values: 0,
            ..bad_keys
        },
        3,
        "delete, three keys",
    )?;
    check::equal(map.keys(20)?.len(), 0, "none is there")?;
    faults(BPF_MAP_UPDATE_BATCH, bad_values, 3, "update, three values")?;
    check::equal(map.keys(20)?.concat(), packed_keys(3), "three are there")?;

    check::ok(call(BPF_MAP_UPDATE_BATCH, &mut { good }), "fill")?;
    let mut room = [0; 64];
    let lookup = Batch {
        keys: room.as_mut_ptr() as u64,
        ..good
    };
    for (why, attr) in [
        (
            "lookup, room for three keys",
            Batch {
                keys: three.address(),
                ..lookup
            },
        ),
        (
            "lookup, room for three values",
            Batch {
                values: three.address(),
                ..lookup
            },
        ),
        (
            "lookup, a cursor of four bytes",
            Batch {
                in_batch: three.address() + 24,
                ..lookup
            },
        ),
    ] {
        faults(BPF_MAP_LOOKUP_BATCH, attr, 0, why)?;
    }
    for bad in NOWHERE {
        faults(
            BPF_MAP_LOOKUP_BATCH,
            Batch {
                keys: bad,
                ..lookup
            },
            0,
            "lookup, keys",
        )?;
        faults(
            BPF_MAP_LOOKUP_BATCH,
            Batch {
                values: bad,
                ..lookup
            },
            0,
            "lookup, values",
        )?;
        faults(
            BPF_MAP_LOOKUP_BATCH,
            Batch {
                out_batch: bad,
                ..lookup
            },
            8,
            "lookup, out_batch",
        )?;
        faults(
            BPF_MAP_UPDATE_BATCH,
            Batch { keys: bad, ..good },
            0,
            "update, keys",
        )?;
        faults(
            BPF_MAP_UPDATE_BATCH,
            Batch {
                values: bad,
                ..good
            },
            0,
            "update, values",
        )?;
        faults(
            BPF_MAP_DELETE_BATCH,
            Batch { keys: bad, ..good },
            0,
            "delete, keys",
        )?;
    }
    check::equal(map.keys(20)?.concat(), keys, "all eight are there")
}

fn batch_flags(on: Type) -> Result<()> {
    let (map, key) = one_prefix(on)?;
    let mut room = [0; 8];
    let mut next = [0; 8];
    for cmd in [
        BPF_MAP_UPDATE_BATCH,
        BPF_MAP_LOOKUP_BATCH,
        BPF_MAP_DELETE_BATCH,
    ] {
        for flags in (0..64).map(|bit| 1u64 << bit) {
            let mut attr = Batch {
                map_fd: map.fd().as_raw_fd() as u32,
                count: 1,
                keys: key.as_ptr() as u64,
                values: room.as_mut_ptr() as u64,
                out_batch: next.as_mut_ptr() as u64,
                elem_flags: flags,
                ..Batch::default()
            };
            let why = format!("{cmd:?}, element flags {flags:#x}");
            check::errno(call(cmd, &mut attr), EINVAL, &why)?;
            check::equal(attr.count, 1, &why)?;
        }
    }
    unchanged(&map, &key, "after all this")
}

fn attributes(on: Type) -> Result<()> {
    let (map, key) = one_prefix(on)?;
    let mut buffer = value(2);
    let good = Element {
        map_fd: map.fd().as_raw_fd() as u64,
        key: key.as_ptr() as u64,
        value: buffer.as_mut_ptr() as u64,
        ..Element::default()
    };
    for cmd in COMMANDS {
        for address in NOWHERE {
            let why = format!("{cmd:?}, attributes at {address:#x}");
            check::errno(call_at(cmd, address, 32), EFAULT, &why)?;
        }
        let why = format!("{cmd:?}, attributes of more than a page");
        check::errno(call_at(cmd, (&raw const good) as u64, 4097), E2BIG, &why)?;

        let mut long = [0u64; 64];
        long[63] = 1;
        let why = format!("{cmd:?}, a value beyond all attributes");
        check::errno(call(cmd, &mut long), E2BIG, &why)?;

        let mut unknown = [0u64; 16];
        unknown[15] = 1;
        let why = format!("{cmd:?}, a value beyond its attributes");
        check::errno(call(cmd, &mut unknown), EINVAL, &why)?;
    }
    let size = mem::offset_of!(Element, value);
    for cmd in [BPF_MAP_LOOKUP_ELEM, BPF_MAP_UPDATE_ELEM] {
        let why = format!("{cmd:?}, attributes that end before the value");
        check::errno(call_at(cmd, (&raw const good) as u64, size), EFAULT, &why)?;
    }
    unchanged(&map, &key, "after all this")?;

    let mut longer = [0u64; 64];
    longer[0] = good.map_fd;
    longer[1] = good.key;
    longer[2] = good.value;
    check::ok(
        call(BPF_MAP_LOOKUP_ELEM, &mut longer),
        "zeros beyond all attributes",
    )?;
    check::equal(buffer, value(1), "the value")
}

const COMMANDS: [bpf_cmd; 9] = [
    BPF_MAP_CREATE,
    BPF_MAP_LOOKUP_ELEM,
    BPF_MAP_UPDATE_ELEM,
    BPF_MAP_DELETE_ELEM,
    BPF_MAP_GET_NEXT_KEY,
    BPF_MAP_LOOKUP_BATCH,
    BPF_MAP_UPDATE_BATCH,
    BPF_MAP_DELETE_BATCH,
    BPF_MAP_FREEZE,
];

fn descriptors(on: Type) -> Result<()> {
    drop(maps::create(on, IPV4)?);
    let file = File::open("/dev/null")?;
    let btf = sys::prog::load_btf(&btf_blob::blob())?;
    for (what, fd, errno) in [
        ("-1", -1, EBADF),
        ("one that is not open", 1 << 20, EBADF),
        ("a file", file.as_raw_fd(), EINVAL),
        ("BTF", btf.as_raw_fd(), EINVAL),
    ] {
        for cmd in &COMMANDS[1..] {
            let result = match cmd {
                BPF_MAP_LOOKUP_BATCH | BPF_MAP_UPDATE_BATCH | BPF_MAP_DELETE_BATCH => {
                    let map_fd = fd as u32;
                    call(
                        *cmd,
                        &mut Batch {
                            map_fd,
                            ..Batch::default()
                        },
                    )
                }
                _ => {
                    let map_fd = u64::from(fd as u32);
                    call(
                        *cmd,
                        &mut Element {
                            map_fd,
                            ..Element::default()
                        },
                    )
                }
            };
            check::errno(result, errno, &format!("{cmd:?}, descriptor: {what}"))?;
        }
    }
    Ok(())
}
