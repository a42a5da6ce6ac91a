// SPDX-License-Identifier: MIT OR Apache-2.0
//! Progress of a long step: a line that moves on a terminal, a line that stays in a log.

use std::{
    env,
    io::{self, IsTerminal},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A virtual machine's terminal does not know its width; this fits in 80 columns.
const BAR: &str = "{prefix:14} [{bar:26}] {percent:>3} %  {msg}";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Bar,
    Line,
}

impl Style {
    /// The style for standard output. In the test machine that is always a terminal, but a dumb one
    /// if the host's output is not a terminal.
    pub fn of_stdout() -> Self {
        let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        if io::stdout().is_terminal() && !dumb {
            Self::Bar
        } else {
            Self::Line
        }
    }
}

/// A step of several parts.
pub struct Progress(ProgressBar);

impl Progress {
    /// `parts` names them all, and `total` counts their elements.
    pub fn new(style: Style, what: String, parts: &str, total: usize) -> Self {
        if style == Style::Line {
            println!("{what}: {parts} ...");
            return Self(ProgressBar::hidden());
        }
        let target = ProgressDrawTarget::stdout();
        let bar = ProgressBar::with_draw_target(Some(total as u64), target).with_prefix(what);
        let style = ProgressStyle::with_template(BAR).expect("the template above is valid");
        Self(bar.with_style(style.progress_chars("=> ")))
    }

    pub fn part(&self, name: &'static str) {
        self.0.set_message(name);
    }

    pub fn advance(&self, by: usize) {
        self.0.inc(by as u64);
    }
}

/// Clears the line.
impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
