// SPDX-License-Identifier: MIT OR Apache-2.0
//! Waiting for grace periods, and for deferred work of the kernel, such as a map freed by a worker
//! after them.

use std::{io, time::Duration};

use anyhow::{Context, Result};
use tokio::{runtime::Builder, time};

/// Far longer than any grace period, even on a debug kernel under emulation.
const LIMIT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(5);

/// Waits until `reached` returns true; the error on timeout includes `what`.
pub fn until(what: &str, mut reached: impl FnMut() -> Result<bool>) -> Result<()> {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .build()
        .context("start a tokio runtime")?;
    runtime.block_on(async {
        let poll = async {
            while !reached()? {
                time::sleep(PAUSE).await;
            }
            Ok(())
        };
        time::timeout(LIMIT, poll)
            .await
            .with_context(|| format!("timed out after {} s waiting for: {what}", LIMIT.as_secs()))?
    })
}

/// Waits for a grace period of RCU, which does not wait for sleepable programs.
pub fn grace_period() -> Result<()> {
    // SAFETY: MEMBARRIER_CMD_GLOBAL takes no addresses; it waits for an RCU grace period.
    let ret = unsafe { libc::syscall(libc::SYS_membarrier, libc::MEMBARRIER_CMD_GLOBAL, 0, 0) };
    if ret != 0 {
        return Err(io::Error::last_os_error()).context("membarrier");
    }
    Ok(())
}
