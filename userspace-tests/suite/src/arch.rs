// SPDX-License-Identifier: MIT OR Apache-2.0
//! Differences between the architectures that the test machine's kernel is built for.

pub use this::{GETPGID, GETPID, INSIDE, engine};

#[cfg(target_arch = "x86_64")]
mod this {
    use std::{arch::x86_64::__cpuid, ffi::CStr};

    /// The kernel functions of getpid(2) and getpgid(2). The former takes no arguments,
    /// so it is not in the kernel's BTF; the latter is.
    pub const GETPID: &CStr = c"__x64_sys_getpid";
    pub const GETPGID: &str = "__x64_sys_getpgid";

    /// Possible offsets of a function's own code: after its call to ftrace, with or
    /// without an ENDBR64 before the call.
    pub const INSIDE: [u64; 2] = [9, 5];

    /// The hypervisor or emulator, by its CPUID signature.
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

    /// Possible offsets of a function's own code: after the two instructions of its
    /// call to ftrace, with or without a BTI before them.
    pub const INSIDE: [u64; 2] = [12, 8];

    /// The hypervisor or emulator, which no register identifies.
    pub fn engine() -> &'static str {
        "unknown"
    }
}
