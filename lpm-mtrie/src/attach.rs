// SPDX-License-Identifier: MIT OR Apache-2.0
//! Attach a loaded program to an interface or an LSM hook.

use std::{
    ffi::CString,
    fmt, io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use aya_obj::generated::bpf_attach_type::{self, *};
use thiserror::Error;

use crate::{
    Program,
    sys::prog::{Target, link_create},
};

/// Where a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook<'a> {
    /// An XDP program, on packets that this interface receives.
    Xdp(&'a str),
    /// A tc program, on packets that this interface receives (Linux 6.6).
    TcIngress(&'a str),
    /// A tc program, on packets that this interface sends (Linux 6.6).
    TcEgress(&'a str),
    /// An LSM program, on the hook that it was loaded for.
    Lsm,
}

impl fmt::Display for Hook<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Xdp(interface) => write!(f, "XDP on {interface}"),
            Self::TcIngress(interface) => write!(f, "tc ingress on {interface}"),
            Self::TcEgress(interface) => write!(f, "tc egress on {interface}"),
            Self::Lsm => f.write_str("its LSM hook"),
        }
    }
}

/// Why a program was not attached.
#[derive(Debug, Error)]
#[error("cannot attach the program to {hook}: {source}{}", hint(source))]
pub struct AttachError {
    hook: String,
    source: io::Error,
}

/// An attached program, which is detached when this is dropped.
#[derive(Debug)]
#[must_use = "dropping it detaches the program"]
pub struct Link(OwnedFd);

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Program {
    /// Attaches the program.
    pub fn attach(&self, hook: Hook<'_>) -> Result<Link, AttachError> {
        let create = |target, attach_type| link_create(self.as_fd(), target, attach_type);
        let on = |interface, attach_type: bpf_attach_type| {
            create(Target::Interface(index(interface)?), attach_type)
        };
        let link = match hook {
            Hook::Xdp(interface) => on(interface, BPF_XDP),
            Hook::TcIngress(interface) => on(interface, BPF_TCX_INGRESS),
            Hook::TcEgress(interface) => on(interface, BPF_TCX_EGRESS),
            Hook::Lsm => create(Target::AsLoaded, BPF_LSM_MAC),
        };
        link.map(Link).map_err(|source| AttachError {
            hook: hook.to_string(),
            source,
        })
    }
}

/// The index of an interface.
fn index(interface: &str) -> io::Result<u32> {
    let name = CString::new(interface)?;
    // SAFETY: the call reads the NUL-terminated `name`.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(io::Error::last_os_error()),
        index => Ok(index),
    }
}

/// What to do about an errno.
fn hint(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::ENODEV) => "; there is no such interface, `ip link` lists them",
        Some(libc::EBUSY) => "; another program is attached there",
        Some(libc::EPERM) => "; run as root, or with CAP_BPF and CAP_NET_ADMIN",
        Some(libc::EINVAL) => "; the program must be of the kind that the hook runs",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_have_a_number_or_do_not_exist() {
        let error = index("no-such-link").expect_err("there is no such interface");
        assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
        assert!(hint(&error).contains("ip link"));
        assert!(index("l\0").is_err(), "a name with a NUL");
    }
}
