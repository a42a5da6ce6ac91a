// SPDX-License-Identifier: MIT OR Apache-2.0
//! A child process, for work that would change this process or must run concurrently.

use std::{io, mem};

use anyhow::{Context, Result, bail};

use crate::wait;

/// A child, which is killed when this is dropped.
pub struct Child(libc::pid_t);

impl Child {
    /// Starts a child that does `work` and exits.
    pub fn start<T>(work: impl FnOnce() -> io::Result<T>) -> Result<Self> {
        // SAFETY: this process has one thread, so the child may do anything that the parent may.
        match unsafe { libc::fork() } {
            -1 => Err(io::Error::last_os_error()).context("fork"),
            0 => {
                let code = work().map_or_else(|error| error.raw_os_error().unwrap_or(255), |_| 0);
                // SAFETY: _exit takes a number, and runs none of the parent's exit handlers.
                unsafe { libc::_exit(code) }
            }
            pid => Ok(Self(pid)),
        }
    }

    pub fn id(&self) -> libc::pid_t {
        self.0
    }

    /// Waits for the work to end; returns its errno, or 0 for success.
    pub fn errno(self) -> Result<i32> {
        let status = self.wait()?;
        mem::forget(self);
        if !libc::WIFEXITED(status) {
            bail!("the child did not exit: wait status {status:#x}");
        }
        Ok(libc::WEXITSTATUS(status))
    }

    /// Sends SIGKILL and waits for the child to die of it.
    pub fn dies_of_sigkill(self) -> Result<()> {
        // SAFETY: kill takes two numbers; the child is ours and has not been waited for.
        unsafe { libc::kill(self.0, libc::SIGKILL) };
        let mut status = 0;
        wait::until("a child to die of SIGKILL", || {
            // SAFETY: waitpid writes one int.
            match unsafe { libc::waitpid(self.0, &mut status, libc::WNOHANG) } {
                -1 => Err(io::Error::last_os_error()).context("wait for the child"),
                pid => Ok(pid == self.0),
            }
        })?;
        mem::forget(self);
        if !libc::WIFSIGNALED(status) {
            bail!("the child ended before the signal: wait status {status:#x}");
        }
        Ok(())
    }

    fn wait(&self) -> Result<i32> {
        let mut status = 0;
        // SAFETY: waitpid writes one int.
        if unsafe { libc::waitpid(self.0, &mut status, 0) } != self.0 {
            return Err(io::Error::last_os_error()).context("wait for the child");
        }
        Ok(status)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // SAFETY: kill takes two numbers; the child is ours and has not been waited for.
        unsafe { libc::kill(self.0, libc::SIGKILL) };
        // An error can be neither reported nor handled here.
        let _ = self.wait();
    }
}
