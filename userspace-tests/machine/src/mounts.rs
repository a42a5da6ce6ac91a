// SPDX-License-Identifier: MIT OR Apache-2.0
//! The machine's file systems: an overlay that makes the host's root writable
//! until power off, the kernel's file systems, and the job and shared directories.

use std::{ffi::CString, fs, io, os::unix::ffi::OsStrExt, os::unix::fs::symlink, path::Path, ptr};

use anyhow::{Context, Result};

/// Where the new root is prepared, in the tmpfs on /run, because the host's
/// root is read-only.
const STAGE: &str = "/run/machine";
/// Mount point of the host's job directory.
pub const JOB: &str = "/run/job";

/// Mounts an overlay backed by tmpfs over the read-only root, and makes it the root.
pub fn writable_root() -> Result<()> {
    // /dev first: without it, no message reaches the log.
    mount("devtmpfs", "/dev", "devtmpfs", libc::MS_NOSUID, "")?;
    mount("tmpfs", "/run", "tmpfs", 0, "mode=755")?;
    let [upper, work, root] = ["upper", "work", "root"].map(|dir| format!("{STAGE}/{dir}"));
    for dir in [&upper, &work, &root] {
        fs::create_dir_all(dir).with_context(|| format!("mkdir {dir}"))?;
    }
    let options = format!("lowerdir=/,upperdir={upper},workdir={work}");
    mount("overlay", &root, "overlay", 0, &options)?;
    mount("/dev", &format!("{root}/dev"), "", libc::MS_MOVE, "")?;

    std::env::set_current_dir(&root).with_context(|| format!("chdir {root}"))?;
    mount(".", "/", "", libc::MS_MOVE, "")?;
    // SAFETY: chroot reads a NUL-terminated path.
    if unsafe { libc::chroot(c".".as_ptr()) } != 0 {
        return Err(io::Error::last_os_error()).context("chroot");
    }
    std::env::set_current_dir("/").context("chdir /")
}

/// Mounts the file systems that programs expect, and the job directory.
pub fn system() -> Result<()> {
    let safe = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    mount("proc", "/proc", "proc", safe, "")?;
    mount("sysfs", "/sys", "sysfs", safe, "")?;
    mount("bpf", "/sys/fs/bpf", "bpf", safe, "mode=700")?;
    mount("cgroup2", "/sys/fs/cgroup", "cgroup2", safe, "")?;
    mount("tracefs", "/sys/kernel/tracing", "tracefs", safe, "")?;
    mount("securityfs", "/sys/kernel/security", "securityfs", safe, "")?;
    // Only debug kernels have debugfs (kmemleak, fault injection).
    if Path::new("/sys/kernel/debug").is_dir() {
        mount("debugfs", "/sys/kernel/debug", "debugfs", safe, "")?;
    }
    for (dir, options) in [
        ("/dev/pts", "mode=620,ptmxmode=666"),
        ("/dev/shm", "mode=1777"),
    ] {
        fs::create_dir_all(dir).with_context(|| format!("mkdir {dir}"))?;
        let kind = if dir == "/dev/pts" { "devpts" } else { "tmpfs" };
        mount(kind, dir, kind, libc::MS_NOSUID, options)?;
    }
    // devtmpfs creates no links; shells' <(…) and many tests need this one.
    symlink("/proc/self/fd", "/dev/fd").context("link /dev/fd")?;
    mount("tmpfs", "/run", "tmpfs", libc::MS_NOSUID, "mode=755")?;
    fs::create_dir_all(JOB).with_context(|| format!("mkdir {JOB}"))?;
    // Uncached, because the host reads `status` as soon as the machine is off.
    nine_p("job", JOB, "none")
}

/// Mounts the host's shared directory at the same path.
pub fn share(path: &str) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("mkdir {path}"))?;
    // cache=mmap writes through, and lets programs map the files.
    nine_p("share", path, "mmap")
}

/// Unmounts `path`, so that everything written there reaches the host.
pub fn unmount(path: &str) -> Result<()> {
    let c_path = c_string(path)?;
    // SAFETY: umount2 reads a NUL-terminated path.
    if unsafe { libc::umount2(c_path.as_ptr(), 0) } != 0 {
        return Err(io::Error::last_os_error()).with_context(|| format!("umount {path}"));
    }
    Ok(())
}

fn nine_p(tag: &str, path: &str, cache: &str) -> Result<()> {
    let options = format!("trans=virtio,version=9p2000.L,msize=262144,cache={cache}");
    mount(tag, path, "9p", 0, &options)
}

fn mount(source: &str, target: &str, kind: &str, flags: libc::c_ulong, data: &str) -> Result<()> {
    let [c_source, c_target, c_kind, c_data] = [
        c_string(source)?,
        c_string(target)?,
        c_string(kind)?,
        c_string(data)?,
    ];
    let data_ptr = if data.is_empty() {
        ptr::null()
    } else {
        c_data.as_ptr().cast()
    };
    // SAFETY: all four are NUL-terminated and live until the call returns; `data` may be null.
    let ret = unsafe {
        libc::mount(
            c_source.as_ptr(),
            c_target.as_ptr(),
            c_kind.as_ptr(),
            flags,
            data_ptr,
        )
    };
    if ret != 0 {
        return Err(io::Error::last_os_error())
            .with_context(|| format!("mount {kind} {source} on {target} ({data})"));
    }
    Ok(())
}

fn c_string(text: &str) -> Result<CString> {
    CString::new(Path::new(text).as_os_str().as_bytes())
        .with_context(|| format!("{text:?} contains a NUL byte"))
}
