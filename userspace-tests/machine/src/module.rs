// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel module, inserted before the command.

use std::{fs, io, os::fd::AsRawFd, path::Path};

use anyhow::{Context, Result, bail};

/// finit_module(2); the inner error is its own.
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
            "module {path} does not fit this kernel ({error}): build it against this kernel's tree"
        ),
        Some(libc::ENOENT) => bail!(
            "module {path} wants a symbol that this kernel lacks ({error}): is the patch series applied?"
        ),
        _ => bail!("module {path} was not inserted: {error}"),
    }
}
