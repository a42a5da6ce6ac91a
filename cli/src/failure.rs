// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why a command failed, which decides the exit status.

use std::{fmt, io, process::ExitCode};

use lpm_mtrie::Error;

/// The result of a command that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Found,
    /// No match, nothing to set or delete, or a difference.
    NotFound,
}

impl Outcome {
    pub fn found_if(found: bool) -> Self {
        if found { Self::Found } else { Self::NotFound }
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Found => Self::SUCCESS,
            Outcome::NotFound => Self::from(1),
        }
    }
}

#[derive(Debug)]
pub enum Failure {
    /// The user can correct the command line or the input.
    Usage(String),
    System(String),
    /// The reader of the output has closed it.
    Closed,
}

pub type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    pub fn usage(text: impl Into<String>) -> Self {
        Self::Usage(text.into())
    }

    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::System(_) => ExitCode::from(3),
            // As the shell reports SIGPIPE.
            Self::Closed => ExitCode::from(141),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::System(text) => f.write_str(text),
            Self::Closed => f.write_str("the reader of the output has closed it"),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::TooLong { .. } | Error::Size { .. } | Error::Name { .. } => {
                Self::Usage(error.to_string())
            }
            _ => Self::System(error.to_string()),
        }
    }
}

/// An error of writing the output.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::System(format!("cannot write the output: {error}")),
        }
    }
}
