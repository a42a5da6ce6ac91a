// SPDX-License-Identifier: MIT OR Apache-2.0
//! How far a long step is: a bar on a terminal, a line every tenth elsewhere.

use std::{
    env,
    io::{self, IsTerminal},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The terminal of a virtual machine does not tell its width; this fits in 80 columns.
const BAR: &str = "{prefix:14} [{bar:34}] {percent:>3} %  {human_pos}";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Bar,
    Lines,
}

impl Style {
    /// What suits the place where the output goes. In the machine that is a terminal always, but a
    /// dumb one if the machine's own output is not.
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
    /// None: lines.
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

/// The bar gives its line back; the result is printed in its place.
impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
