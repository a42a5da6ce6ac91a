// SPDX-License-Identifier: MIT OR Apache-2.0
//! The handler of request_module(): the host's modprobe or, if that cannot run in this
//! machine, this program, which supports modules without dependencies.

use std::{
    env, fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use anyhow::{Context, Result};

use crate::{job::Job, kmsg, module};

const PATH: &str = "/run/modprobe";

/// Makes the kernel load modules from `dir`, which contains lib/modules/RELEASE.
pub fn set_up(dir: &str, foreign: bool) -> Result<()> {
    if foreign {
        symlink("/proc/1/exe", PATH).with_context(|| format!("link {PATH}"))?;
    } else {
        // The sysctl accepts only a path, so options need a script.
        let quoted = dir.replace('\'', r"'\''");
        let script = format!("#!/bin/sh\nexec /sbin/modprobe -d '{quoted}' \"$@\"\n");
        fs::write(PATH, script).with_context(|| format!("write {PATH}"))?;
        fs::set_permissions(PATH, fs::Permissions::from_mode(0o755))
            .with_context(|| format!("chmod {PATH}"))?;
    }
    let sysctl = "/proc/sys/kernel/modprobe";
    fs::write(sysctl, PATH).with_context(|| format!("write {sysctl}"))
}

/// Whether the kernel started this process as its modprobe.
pub fn is_asked_for() -> bool {
    env::args_os().next().is_some_and(|name| name == PATH)
}

/// `modprobe -q -- ALIAS`, as the kernel calls it; returns the exit status.
pub fn main() -> i32 {
    match load() {
        Ok(()) => 0,
        Err(error) => {
            kmsg::error(&format!("modprobe: {error:#}"));
            1
        }
    }
}

/// An unknown alias is not an error: the kernel requests many that do not exist.
fn load() -> Result<()> {
    let alias = env::args().next_back().context("no alias was given")?;
    let dir = Job::read()?
        .modules_dir
        .context("the job has no modules_dir")?;
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let dir = Path::new(&dir).join("lib/modules").join(release.trim());
    // The lines are "alias ALIAS MODULE" and "FILE: DEPENDENCIES".
    let [aliases, files] = ["modules.alias", "modules.dep"].map(|name| {
        let path = dir.join(name);
        fs::read_to_string(&path).with_context(|| path.display().to_string())
    });
    let (aliases, files) = (aliases?, files?);
    let names = |line: &str| line.split(' ').nth(1) == Some(&alias);
    let Some(module) = aliases
        .lines()
        .find(|line| names(line))
        .and_then(|line| line.split(' ').nth(2))
    else {
        return Ok(());
    };
    let name = format!("{module}.ko");
    let (file, _) = files
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(file, _)| file.rsplit('/').next() == Some(&name))
        .with_context(|| format!("modules.dep has no {name}"))?;
    match module::finit(&dir.join(file))? {
        // A concurrent request inserted it first.
        Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(()),
        result => result.with_context(|| format!("insert {file}")),
    }
}
