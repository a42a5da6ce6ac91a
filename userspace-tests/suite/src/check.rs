// SPDX-License-Identifier: MIT OR Apache-2.0
//! Assertions on values and errnos, each with a reason. Failures name file and line.

use std::{
    fmt::{Debug, Display},
    io,
    panic::Location,
};

use anyhow::{Error, Result, anyhow};

/// Checks that the call failed with this errno.
#[track_caller]
pub fn errno<T: Debug>(got: io::Result<T>, want: i32, why: &str) -> Result<()> {
    let got = match got {
        Err(error) if error.raw_os_error() == Some(want) => return Ok(()),
        Err(error) => format!("got {error}"),
        Ok(value) => format!("it succeeded with {value:?}"),
    };
    Err(failure(
        why,
        format_args!("{got}, expected {}", errno_text(want)),
    ))
}

/// Checks that the call succeeded.
#[track_caller]
pub fn ok<T>(got: io::Result<T>, why: &str) -> Result<T> {
    match got {
        Ok(value) => Ok(value),
        Err(error) => Err(failure(why, format_args!("got {error}, expected success"))),
    }
}

/// Checks that the two are equal.
#[track_caller]
pub fn equal<T: PartialEq + Debug>(got: T, want: T, why: &str) -> Result<()> {
    if got == want {
        Ok(())
    } else {
        Err(failure(why, format_args!("got {got:?}, expected {want:?}")))
    }
}

/// Checks that the condition holds.
#[track_caller]
pub fn holds(condition: bool, why: &str) -> Result<()> {
    if condition {
        Ok(())
    } else {
        Err(failure(why, "not true"))
    }
}

#[track_caller]
fn failure(why: &str, what: impl Display) -> Error {
    anyhow!("{why}: {what} ({})", Location::caller())
}

fn errno_text(errno: i32) -> io::Error {
    io::Error::from_raw_os_error(errno)
}
