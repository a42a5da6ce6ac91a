// SPDX-License-Identifier: MIT OR Apache-2.0
//! The directory for the demo's pins in the BPF file system, which exists while the demo runs.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

const BPFFS: &str = "/sys/fs/bpf";
const DIRECTORY: &str = "/sys/fs/bpf/lpm_mtrie_demo";

pub struct Pins(());

impl Pins {
    /// Creates the directory, after removing pins that a killed run left.
    pub fn create() -> Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts").context("read /proc/self/mounts")?;
        ensure!(
            holds_bpffs(&mounts),
            "no BPF file system at {BPFFS}; mount one: mount -t bpf bpf {BPFFS}"
        );
        remove().with_context(|| format!("empty {DIRECTORY}"))?;
        fs::create_dir(DIRECTORY).with_context(|| format!("create {DIRECTORY}"))?;
        Ok(Self(()))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        Path::new(DIRECTORY).join(name)
    }

    /// Removes all pins; objects without other references are freed.
    pub fn remove(self) -> Result<()> {
        // Drop then finds nothing to remove.
        remove().with_context(|| format!("remove {DIRECTORY}"))
    }
}

/// Cleans up on error paths.
impl Drop for Pins {
    fn drop(&mut self) {
        if let Err(error) = remove() {
            eprintln!("cannot remove {DIRECTORY}: {error}");
        }
    }
}

fn remove() -> io::Result<()> {
    match fs::remove_dir_all(DIRECTORY) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether `mounts` lists a file system of type bpf at [`BPFFS`].
fn holds_bpffs(mounts: &str) -> bool {
    mounts.lines().any(|line| {
        let mut fields = line.split_whitespace().skip(1);
        fields.next() == Some(BPFFS) && fields.next() == Some("bpf")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_bpf_file_system_among_mounts() {
        let sysfs = "sysfs /sys sysfs rw 0 0\n";
        assert!(!holds_bpffs(sysfs));
        assert!(!holds_bpffs("tmpfs /sys/fs/bpf tmpfs rw 0 0"));
        assert!(holds_bpffs(&format!(
            "{sysfs}none /sys/fs/bpf bpf rw 0 0\n"
        )));
    }
}
