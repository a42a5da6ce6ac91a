// SPDX-License-Identifier: MIT OR Apache-2.0
//! PID 1 of the test machine: make a writable root, insert the module, run one
//! command, leave its exit status for the host, power off.
//!
//! The root file system is the host's own, read-only over 9p, so every program
//! of the host is there at its path. The directory that the host shares under
//! the tag `job` says what to run (`job.json`) and receives the verdict
//! (`status`, a decimal number). Whatever goes wrong before the command has
//! ended leaves no `status`: to the host, a boot without a verdict is a failure.

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
        eprintln!("machine-init: this is the first process of a test machine, not a command");
        process::exit(2);
    }
    if let Err(error) = run() {
        kmsg::error(&format!("{error:#}; no status is written"));
    }
    shutdown::power_off();
}

fn run() -> Result<()> {
    mounts::writable_root().context("the writable root was not made")?;
    mounts::system().context("a system file system was not mounted")?;
    let job = job::Job::read()?;
    if let Some(share) = &job.share {
        mounts::share(share).context("the shared directory was not mounted")?;
    }
    network::loopback_up().context("the loopback interface did not come up")?;
    if let Some(dir) = &job.modules_dir {
        modprobe::set_up(dir, job.is_foreign()).context("module autoload was not set up")?;
    }
    if let Some(path) = &job.module {
        module::insert(path)?;
    }
    let status = job::run(&job)?;
    shutdown::end_everything(job.share.as_deref());
    job::report(status)
}
