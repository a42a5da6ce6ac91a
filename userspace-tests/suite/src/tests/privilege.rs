// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who may create a map: holders of CAP_BPF. Who may open one by its id:
//! holders of CAP_SYS_ADMIN. Tokens are in tokens.rs.

use std::{fs, io};

use anyhow::{Context, Result};
use libc::EPERM;
use raw_bpf::sys;

use crate::{
    check,
    harness::{Test, Type},
    maps::{self, IPV4},
    unprivileged::{CAP_BPF, CAP_SYS_ADMIN, errno_of, errno_with, in_child},
};

pub const TESTS: &[Test] = &[
    Test::both("privilege_cap_bpf_is_required_to_create", without_cap_bpf),
    Test::both("privilege_of_a_plain_user_does_not_suffice", plain_user),
    Test::both(
        "privilege_in_a_user_namespace_does_not_suffice",
        user_namespace,
    ),
    Test::both("privilege_cap_sys_admin_is_required_to_open_by_id", by_id),
];

fn without_cap_bpf(on: Type) -> Result<()> {
    let attr = maps::attr(on, IPV4);
    for (capabilities, errno, what) in [
        (0, EPERM, "without capabilities"),
        (!(CAP_BPF | CAP_SYS_ADMIN), EPERM, "with all others"),
        (CAP_BPF, 0, "with only CAP_BPF"),
        (CAP_SYS_ADMIN, 0, "with CAP_SYS_ADMIN, which includes it"),
    ] {
        let got = errno_with(capabilities, || maps::create_fd(&attr))?;
        check::equal(got, errno, what)?;
    }
    check::ok(maps::create_fd(&attr), "creation with all capabilities").map(drop)
}

/// Sets kernel.unprivileged_bpf_disabled for the duration of a test.
struct Disabled(String);

impl Disabled {
    const PATH: &str = "/proc/sys/kernel/unprivileged_bpf_disabled";

    fn set(value: &str) -> Result<Self> {
        let before = fs::read_to_string(Self::PATH).context(Self::PATH)?;
        fs::write(Self::PATH, value).context(Self::PATH)?;
        Ok(Self(before))
    }
}

impl Drop for Disabled {
    fn drop(&mut self) {
        // An error would be noticed by the next test that depends on it.
        let _ = fs::write(Self::PATH, &self.0);
    }
}

fn plain_user(on: Type) -> Result<()> {
    let attr = maps::attr(on, IPV4);
    // 1 cannot be reverted.
    for disabled in ["0", "2"] {
        let _restored = Disabled::set(disabled)?;
        let errno = in_child(|| {
            become_user(65534)?;
            maps::create_fd(&attr)
        })?;
        let why = format!("user 65534, kernel.unprivileged_bpf_disabled = {disabled}");
        check::equal(errno, EPERM, &why)?;
    }
    Ok(())
}

/// Changing the user id drops all capabilities.
fn become_user(id: u32) -> io::Result<()> {
    // SAFETY: setuid takes a number.
    match unsafe { libc::setuid(id) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Its root has all capabilities, but only for what the namespace owns, which BPF is not.
fn user_namespace(on: Type) -> Result<()> {
    let attr = maps::attr(on, IPV4);
    let errno = in_child(|| {
        // SAFETY: unshare takes flags, and this process has one thread.
        if unsafe { libc::unshare(libc::CLONE_NEWUSER) } != 0 {
            return Err(io::Error::last_os_error());
        }
        maps::create_fd(&attr)
    })?;
    check::equal(errno, EPERM, "creation in a user namespace")
}

fn by_id(on: Type) -> Result<()> {
    let map = maps::create(on, IPV4)?;
    let id = sys::map::info(map.fd())?.id;
    check::equal(
        errno_with(CAP_BPF, || sys::map::fd_by_id(id))?,
        EPERM,
        "BPF_MAP_GET_FD_BY_ID with only CAP_BPF",
    )?;
    check::equal(
        errno_with(CAP_BPF, || sys::map::next_id(0))?,
        EPERM,
        "BPF_MAP_GET_NEXT_ID with only CAP_BPF",
    )?;
    check::equal(
        errno_with(CAP_SYS_ADMIN, || sys::map::fd_by_id(id))?,
        0,
        "BPF_MAP_GET_FD_BY_ID with CAP_SYS_ADMIN",
    )?;
    // An open descriptor can be used without capabilities.
    let key = [0; 8];
    check::equal(
        errno_of(|| {
            map.update(&key, &maps::value(1), 0)?;
            map.lookup(&key, 0)
        })?,
        0,
        "use of an open descriptor without capabilities",
    )
}
