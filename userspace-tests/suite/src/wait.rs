// SPDX-License-Identifier: MIT OR Apache-2.0
//! Waiting for deferred work of the kernel, such as a map freed by a worker after grace
//! periods.

use std::time::Duration;

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
