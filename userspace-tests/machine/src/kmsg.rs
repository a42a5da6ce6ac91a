// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages from PID 1 to the kernel log, which the host saves as console.log.

use std::{fs::OpenOptions, io::Write};

/// Log level 3 (error), facility "user", which the console shows.
pub fn error(message: &str) {
    let line = format!("<11>machine-init: {message}\n");
    let written = OpenOptions::new()
        .write(true)
        .open("/dev/kmsg")
        .and_then(|mut kmsg| kmsg.write_all(line.as_bytes()));
    if written.is_err() {
        // Before /dev is mounted, there is only the console that the kernel opened for PID 1.
        eprint!("{line}");
    }
}
