// SPDX-License-Identifier: MIT OR Apache-2.0
//! Assertions on values and errnos, each with a reason.

use std::{fmt::Debug, io};

use anyhow::{Result, bail};

/// Checks that the call failed with this errno.
pub fn errno<T: Debug>(got: io::Result<T>, want: i32, why: &str) -> Result<()> {
    match got {
        Err(error) if error.raw_os_error() == Some(want) => Ok(()),
        Err(error) => bail!("{why}: got {error}, expected {}", errno_text(want)),
        Ok(value) => bail!(
            "{why}: it succeeded with {value:?}, expected {}",
            errno_text(want)
        ),
    }
}

/// Checks that the call succeeded.
pub fn ok<T>(got: io::Result<T>, why: &str) -> Result<T> {
    match got {
        Ok(value) => Ok(value),
        Err(error) => bail!("{why}: got {error}, expected success"),
    }
}

/// Checks that the two are equal.
pub fn equal<T: PartialEq + Debug>(got: T, want: T, why: &str) -> Result<()> {
    if got == want {
        Ok(())
    } else {
        bail!("{why}: got {got:?}, expected {want:?}")
    }
}

/// Checks that the condition holds.
pub fn holds(condition: bool, why: &str) -> Result<()> {
    if condition {
        Ok(())
    } else {
        bail!("{why}: not true")
    }
}

fn errno_text(errno: i32) -> io::Error {
    io::Error::from_raw_os_error(errno)
}
