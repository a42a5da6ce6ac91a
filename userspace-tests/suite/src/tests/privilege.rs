// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who may create a map: holders of CAP_BPF.

use anyhow::Result;
use libc::EPERM;

use crate::{
    check,
    harness::{Test, Type, Types},
    maps::{self, IPV4},
    unprivileged,
};

pub const TESTS: &[Test] = &[Test {
    name: "privilege_without_cap_bpf",
    types: Types::Both,
    run: without_cap_bpf,
}];

fn without_cap_bpf(on: Type) -> Result<()> {
    let attr = maps::attr(on, IPV4);
    let errno = unprivileged::errno_of(|| maps::create_fd(&attr))?;
    check::equal(errno, EPERM, "creation without capabilities")?;
    check::ok(maps::create_fd(&attr), "creation with them").map(drop)
}
