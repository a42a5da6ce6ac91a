// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel module: its state and reference count, its insertion and its removal.

use std::{
    env,
    ffi::{CStr, CString},
    fs, io,
    path::PathBuf,
};

use anyhow::{Context, Result};

use crate::wait;

const DIR: &str = "/sys/module/lpm_mtrie";

/// Whether the module is loaded and live.
pub fn is_loaded() -> bool {
    fs::read_to_string(format!("{DIR}/initstate")).is_ok_and(|state| state.trim() == "live")
}

/// Whether the map type is built into the kernel, so that there is no module;
/// scripts/vm gets this from the kernel's configuration.
pub fn is_built_in() -> bool {
    env::var_os("LPM_MTRIE_BUILT_IN").is_some()
}

/// The number of references to the module.
pub fn references() -> Result<u32> {
    let path = format!("{DIR}/refcnt");
    let text =
        fs::read_to_string(&path).with_context(|| format!("{path}: is the module loaded?"))?;
    text.trim().parse().with_context(|| path)
}

/// Waits until there are `count` references, since maps are freed by a worker. If the
/// type is built in, there are no references, and this returns at once.
pub fn wait_for(count: u32) -> Result<()> {
    if is_built_in() {
        return Ok(());
    }
    let mut last = None;
    wait::until("the module's references", || {
        last = Some(references()?);
        Ok(last == Some(count))
    })
    .with_context(|| format!("{last:?} references, expected {count}"))
}

/// The path of the running kernel's module; test modules are in `tests` next to it.
pub fn path() -> Result<PathBuf> {
    env::var_os("LPM_MTRIE_MODULE").map(PathBuf::from).context(
        "LPM_MTRIE_MODULE is not set; it must be the path of the module (scripts/vm sets it)",
    )
}

/// Inserts a module by init_module(2).
pub fn insert(image: &[u8], parameters: &CStr) -> io::Result<()> {
    let (start, len) = (image.as_ptr(), image.len());
    // SAFETY: the kernel reads `len` bytes of the image, and the NUL-terminated parameters.
    if unsafe { libc::syscall(libc::SYS_init_module, start, len, parameters.as_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Inserts a test module of rust-kmod/tests.
pub fn insert_test_module(name: &str, parameters: &str) -> Result<()> {
    let path = path()?.with_file_name(format!("tests/{name}.ko"));
    let image = fs::read(&path).with_context(|| path.display().to_string())?;
    insert(&image, &CString::new(parameters)?).with_context(|| format!("insert {name}"))
}

/// Removes the module by delete_module(2), which fails while the module is in use.
pub fn remove() -> io::Result<()> {
    remove_by_name(c"lpm_mtrie")
}

/// Like [`remove`], for a test module.
pub fn remove_by_name(name: &CStr) -> io::Result<()> {
    // SAFETY: the kernel reads the NUL-terminated name.
    if unsafe { libc::syscall(libc::SYS_delete_module, name.as_ptr(), libc::O_NONBLOCK) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Removes a test module once its maps, which a worker frees, are gone.
pub fn remove_when_idle(name: &CStr) -> Result<()> {
    wait::until("the module to be idle", || match remove_by_name(name) {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::EWOULDBLOCK) => Ok(false),
        Err(error) => Err(error).with_context(|| format!("remove {name:?}")),
    })
}

/// Disables the kernel's modprobe until it is dropped.
pub struct NoAutoload(String);

const MODPROBE: &str = "/proc/sys/kernel/modprobe";

impl NoAutoload {
    pub fn new() -> Result<Self> {
        let path = fs::read_to_string(MODPROBE).context(MODPROBE)?;
        fs::write(MODPROBE, "\n").context(MODPROBE)?;
        Ok(Self(path))
    }
}

impl Drop for NoAutoload {
    fn drop(&mut self) {
        fs::write(MODPROBE, &self.0).expect("the sysctl was writable before");
    }
}
