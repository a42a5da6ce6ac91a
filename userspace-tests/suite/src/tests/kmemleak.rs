// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the tests before have leaked, by kmemleak. Entries and nodes are hidden from it; maps and
//! everything else that bpf(2) and modules allocate are not.

use std::{fs, thread, time::Duration};

use anyhow::{Context, Result, ensure};

use crate::harness::{Test, Type};

pub const TESTS: &[Test] = &[Test::mtrie("kmemleak_finds_nothing", finds_nothing)];

const KMEMLEAK: &str = "/sys/kernel/debug/kmemleak";
/// kmemleak ignores objects that are younger.
const MIN_AGE: Duration = Duration::from_secs(6);

fn finds_nothing(_: Type) -> Result<()> {
    // The first scan records the objects' checksums, the second reports unchanged ones.
    fs::write(KMEMLEAK, "scan").context(KMEMLEAK)?;
    thread::sleep(MIN_AGE);
    fs::write(KMEMLEAK, "scan").context(KMEMLEAK)?;
    let report = fs::read_to_string(KMEMLEAK).context(KMEMLEAK)?;
    ensure!(report.is_empty(), "kmemleak reports\n{report}");
    Ok(())
}
