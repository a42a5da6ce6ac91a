// SPDX-License-Identifier: MIT OR Apache-2.0
//! PID 1 of the test machine: makes the root writable, inserts the module, runs one
//! command, reports its exit status to the host, and powers off.
//!
//! The root file system is the host's, read-only over 9p, so every program of
//! the host is available at its own path. The directory that the host shares
//! under the tag `job` contains the command (`job`) and receives the verdict
//! (`status`, a decimal number). If anything fails before the command has ended,
//! no `status` is written, and the host treats a boot without a verdict as a failure.

mod job;
mod kmsg;
mod modprobe;
mod module;
mod mounts;
mod network;
mod shutdown;
mod terminal;

use std::process;

use anyhow::{Context, Result};

fn main() {
    if modprobe::is_asked_for() {
        process::exit(modprobe::main());
    }
    if process::id() != 1 {
        eprintln!("machine-init: must run as the first process of a test machine");
        process::exit(2);
    }
    if let Err(error) = run() {
        kmsg::error(&format!("{error:#}; no status is written"));
    }
    shutdown::power_off();
}

fn run() -> Result<()> {
    mounts::writable_root().context("make the root writable")?;
    mounts::system().context("mount the system file systems")?;
    let job = job::Job::read()?;
    if let Some(share) = &job.share {
        mounts::share(share).context("mount the shared directory")?;
    }
    network::loopback_up().context("bring up the loopback interface")?;
    if let Some(dir) = &job.modules_dir {
        modprobe::set_up(dir, job.is_foreign()).context("set up module autoloading")?;
    }
    if let Some(path) = &job.module {
        module::insert(path)?;
    }
    let status = job::run(&job)?;
    shutdown::end_everything(job.share.as_deref());
    job::report(status)
}
