// SPDX-License-Identifier: MIT OR Apache-2.0
//! BTF types of keys and values: which are accepted, which are refused.

use std::os::fd::{AsFd, AsRawFd};

use anyhow::Result;
use libc::{EACCES, EINVAL, EOPNOTSUPP};
use raw_bpf::sys;

use crate::{
    btf_blob::{self, KEY, LOCKED, NO_SUCH, U32, U64, UNION},
    check,
    harness::{Test, Type},
    maps::{self, IPV4},
};

pub const TESTS: &[Test] = &[
    Test::both("btf_is_accepted_and_shown", accepted),
    Test::both("btf_that_does_not_fit_is_refused", refused),
    Test::both("btf_bad_descriptors_are_refused", descriptors),
];

fn accepted(on: Type) -> Result<()> {
    let btf = sys::prog::load_btf(&btf_blob::blob())?;
    let mut attr = maps::attr(on, IPV4);
    attr.btf_fd = btf.as_raw_fd() as u32;
    attr.btf_key_type_id = KEY;
    attr.btf_value_type_id = U64;
    let fd = check::ok(maps::create_fd(&attr), "a struct key and an integer value")?;
    let info = sys::map::info(fd.as_fd())?;
    check::equal(info.btf_key_type_id, KEY, "the key's type in info")?;
    check::equal(info.btf_value_type_id, U64, "the value's type in info")
}

fn refused(on: Type) -> Result<()> {
    let btf = sys::prog::load_btf(&btf_blob::blob())?;
    for (what, key, value, errno) in [
        ("a key that is not a struct", U64, U64, EINVAL),
        ("a key that is a union", UNION, U64, EINVAL),
        ("a value's type without a key's", 0, U64, EINVAL),
        ("a key of another size", U32, U64, EINVAL),
        ("a value of another size", KEY, U32, EINVAL),
        ("a value of no type", KEY, NO_SUCH, EINVAL),
        ("a value with a bpf_spin_lock", KEY, LOCKED, EOPNOTSUPP),
    ] {
        let mut attr = maps::attr(on, IPV4);
        attr.btf_fd = btf.as_raw_fd() as u32;
        attr.btf_key_type_id = key;
        attr.btf_value_type_id = value;
        check::errno(maps::create_fd(&attr), errno, what)?;
    }
    Ok(())
}

fn descriptors(on: Type) -> Result<()> {
    /// The kernel's own BTF is the first one.
    const VMLINUX: u32 = 1;
    let vmlinux = sys::prog::btf_fd_by_id(VMLINUX)?;
    let map = maps::create(on, IPV4)?;
    for (what, fd, errno) in [
        ("the kernel's own BTF", vmlinux.as_fd(), EACCES),
        ("a map in place of BTF", map.fd(), EINVAL),
    ] {
        let mut attr = maps::attr(on, IPV4);
        attr.btf_fd = fd.as_raw_fd() as u32;
        attr.btf_key_type_id = KEY;
        attr.btf_value_type_id = U64;
        check::errno(maps::create_fd(&attr), errno, what)?;
    }
    Ok(())
}
