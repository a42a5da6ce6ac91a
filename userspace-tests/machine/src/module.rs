// SPDX-License-Identifier: MIT OR Apache-2.0
//! Insertion of kernel modules.

use std::{fs, io, os::fd::AsRawFd, path::Path};

use anyhow::{Context, Result, bail};

/// Calls finit_module(2), whose error is the inner one.
pub fn finit(path: &Path) -> Result<io::Result<()>> {
    let file = fs::File::open(path).with_context(|| format!("module {}", path.display()))?;
    // SAFETY: the parameters are a NUL-terminated empty string.
    let ret = unsafe { libc::syscall(libc::SYS_finit_module, file.as_raw_fd(), c"".as_ptr(), 0) };
    Ok(match ret {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    })
}

/// Inserts the module at `path`, as insmod does.
pub fn insert(path: &str) -> Result<()> {
    let Err(error) = finit(Path::new(path))? else {
        return Ok(());
    };
    match error.raw_os_error() {
        Some(libc::ENOEXEC | libc::EINVAL) => bail!(
            "module {path} does not match this kernel ({error}); build it against this kernel's tree"
        ),
        Some(libc::ENOENT) => bail!(
            "module {path} needs a symbol that this kernel lacks ({error}); apply the patch series"
        ),
        _ => bail!("module {path} was not inserted: {error}"),
    }
}
