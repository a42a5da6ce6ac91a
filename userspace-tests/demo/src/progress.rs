// SPDX-License-Identifier: MIT OR Apache-2.0
//! Progress of a long step: a bar on a terminal, otherwise a line for every 10 %.

use std::{
    env,
    io::{self, IsTerminal},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A virtual machine's terminal does not know its width; this fits in 80 columns.
const BAR: &str = "{prefix:14} [{bar:34}] {percent:>3} %  {human_pos}";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Bar,
    Lines,
}

impl Style {
    /// The style for standard output. In the test machine that is always a terminal, but a dumb one
    /// if the host's output is not a terminal.
    pub fn of_stdout() -> Self {
        let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        if io::stdout().is_terminal() && !dumb {
            Self::Bar
        } else {
            Self::Lines
        }
    }
}

pub struct Progress {
    what: String,
    total: u64,
    done: u64,
    /// `None` for lines.
    bar: Option<ProgressBar>,
}

impl Progress {
    pub fn new(style: Style, what: String, total: usize) -> Self {
        let total = total as u64;
        let bar = (style == Style::Bar).then(|| {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stdout());
            let style = ProgressStyle::with_template(BAR).expect("the template above is valid");
            bar.with_style(style.progress_chars("=> "))
                .with_prefix(what.clone())
        });
        Self {
            what,
            total,
            done: 0,
            bar,
        }
    }

    pub fn advance(&mut self, by: usize) {
        let before = self.tenths();
        self.done += by as u64;
        match &self.bar {
            Some(bar) => bar.set_position(self.done),
            None if self.tenths() > before => println!("{}: {} %", self.what, self.tenths() * 10),
            None => {}
        }
    }

    fn tenths(&self) -> u64 {
        (self.done * 10).checked_div(self.total).unwrap_or(10)
    }
}

/// Clears the bar's line, where the result is then printed.
impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
