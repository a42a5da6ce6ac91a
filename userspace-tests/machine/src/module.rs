// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel module: inserted before the command, and loadable by itself.

use std::{fs, io, os::fd::AsRawFd, os::unix::fs::PermissionsExt};

use anyhow::{Context, Result, bail};

/// What the kernel runs for request_module(); the sysctl takes a path alone,
/// so options go into a script.
const MODPROBE: &str = "/run/modprobe";

/// Lets the kernel find modules below `dir` (which holds lib/modules/RELEASE).
pub fn autoload_from(dir: &str) -> Result<()> {
    let quoted = dir.replace('\'', r"'\''");
    let script = format!("#!/bin/sh\nexec /sbin/modprobe -d '{quoted}' \"$@\"\n");
    fs::write(MODPROBE, script).with_context(|| format!("write {MODPROBE}"))?;
    fs::set_permissions(MODPROBE, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("chmod {MODPROBE}"))?;
    let sysctl = "/proc/sys/kernel/modprobe";
    fs::write(sysctl, MODPROBE).with_context(|| format!("write {sysctl}"))
}

/// Inserts the module at `path` with finit_module(2), as insmod does.
pub fn insert(path: &str) -> Result<()> {
    let file = fs::File::open(path).with_context(|| format!("module {path}"))?;
    // SAFETY: the parameters are a NUL-terminated empty string.
    let ret = unsafe { libc::syscall(libc::SYS_finit_module, file.as_raw_fd(), c"".as_ptr(), 0) };
    if ret == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::ENOEXEC | libc::EINVAL) => bail!(
            "module {path} does not fit this kernel ({error}): build it against this kernel's tree"
        ),
        Some(libc::ENOENT) => bail!(
            "module {path} wants a symbol that this kernel lacks ({error}): is the patch series applied?"
        ),
        _ => bail!("module {path} was not inserted: {error}"),
    }
}
