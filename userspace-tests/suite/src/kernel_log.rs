// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads new kernel log messages from /dev/kmsg.

use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Read, Seek, SeekFrom},
    os::unix::fs::OpenOptionsExt,
};

use anyhow::{Context, Result};

const KMSG: &str = "/dev/kmsg";
/// Maximum length of a record.
const RECORD: usize = 8192;

/// A reader of the messages that follow its creation.
pub struct KernelLog(File);

impl KernelLog {
    pub fn from_now_on() -> Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(libc::O_NONBLOCK);
        let mut file = options.open(KMSG).context(KMSG)?;
        file.seek(SeekFrom::End(0)).context(KMSG)?;
        Ok(Self(file))
    }

    /// The messages since the last call, one per line.
    pub fn read(&mut self) -> Result<String> {
        let mut text = String::new();
        let mut record = [0; RECORD];
        loop {
            let len = match self.0.read(&mut record) {
                Ok(len) => len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(text),
                Err(error) => return Err(error).context(KMSG),
            };
            // "6,339,5140900,-;MESSAGE", followed by lines with metadata.
            let record = String::from_utf8_lossy(&record[..len]);
            let message = record.split_once(';').map_or("", |(_, message)| message);
            text += message.lines().next().unwrap_or_default();
            text.push('\n');
        }
    }
}
