// SPDX-License-Identifier: MIT OR Apache-2.0
//! What differs between the architectures that the kernel of the machine is built for.

pub use this::{GETPGID, GETPID, INSIDE, engine};

#[cfg(target_arch = "x86_64")]
mod this {
    use std::{arch::x86_64::__cpuid, ffi::CStr};

    /// The kernel's function behind getpid(2). It takes nothing, and so is not in
    /// the kernel's BTF; that of getpgid(2) is.
    pub const GETPID: &CStr = c"__x64_sys_getpid";
    pub const GETPGID: &str = "__x64_sys_getpgid";

    /// Where a function's own code may begin: after its call to ftrace, with or
    /// without an ENDBR64 in front of that.
    pub const INSIDE: [u64; 2] = [9, 5];

    /// What runs the machine's CPUs, by the name that it gives itself.
    pub fn engine() -> &'static str {
        let name = __cpuid(0x4000_0000);
        match &name.ebx.to_le_bytes() {
            b"KVMK" => "kvm",
            b"TCGT" => "tcg",
            _ => "unknown",
        }
    }
}

#[cfg(target_arch = "aarch64")]
mod this {
    use std::ffi::CStr;

    /// As on x86-64.
    pub const GETPID: &CStr = c"__arm64_sys_getpid";
    pub const GETPGID: &str = "__arm64_sys_getpgid";

    /// Where a function's own code may begin: after the two instructions of its
    /// call to ftrace, with or without a BTI in front of them.
    pub const INSIDE: [u64; 2] = [12, 8];

    /// What runs the machine's CPUs: no register says it.
    pub fn engine() -> &'static str {
        "unknown"
    }
}
