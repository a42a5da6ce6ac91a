// SPDX-License-Identifier: MIT OR Apache-2.0
//! The output of commands: lines of text or JSON, with colour on a terminal.

use std::{
    env,
    io::{self, BufWriter, IsTerminal, StdoutLock, Write},
};

use lpm_mtrie::{BytePrefix, Bytes, PrefixKey};
use serde_json::{Value as Json, json};

use crate::{
    args::{Color, Format, Options},
    failure::Result,
    target::{Entry, Style},
};

/// Standard output.
pub struct Output {
    out: BufWriter<StdoutLock<'static>>,
    pub json: bool,
    color: bool,
}

/// SGR parameters of ECMA-48.
#[derive(Clone, Copy)]
pub enum Paint {
    Prefix,
    Added,
    Removed,
    Faint,
}

impl Output {
    pub fn new(options: &Options) -> Self {
        let terminal = || io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none();
        Self {
            out: BufWriter::new(io::stdout().lock()),
            json: options.json,
            color: match options.color {
                Color::Always => true,
                Color::Never => false,
                Color::Auto => terminal(),
            },
        }
    }

    pub fn paint(&self, paint: Paint, text: &str) -> String {
        let code = match paint {
            Paint::Prefix => "36",
            Paint::Added => "32",
            Paint::Removed => "31",
            Paint::Faint => "2",
        };
        if self.color {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    pub fn line(&mut self, text: &str) -> Result<()> {
        Ok(writeln!(self.out, "{text}")?)
    }

    pub fn object(&mut self, object: &Json) -> Result<()> {
        self.line(&object.to_string())
    }

    /// An entry, as text or JSON.
    pub fn entry(&mut self, entry: &Entry, style: &Style) -> Result<()> {
        if self.json {
            return self.object(&object(entry, style));
        }
        let prefix = self.paint(Paint::Prefix, &style.key.format(&entry.0));
        self.line(&format!("{prefix} {}", style.value.format(&entry.1)))
    }

    /// An entry that was added or removed.
    pub fn change(&mut self, added: bool, entry: &Entry, style: &Style) -> Result<()> {
        if self.json {
            let mut object = object(entry, style);
            object["change"] = if added { "+" } else { "-" }.into();
            return self.object(&object);
        }
        let text = line(entry, Format::Text, style);
        let text = if added {
            self.paint(Paint::Added, &format!("+ {text}"))
        } else {
            self.paint(Paint::Removed, &format!("- {text}"))
        };
        self.line(&text)
    }

    /// How many entries something was done to.
    pub fn count(&mut self, what: &str, number: u64) -> Result<()> {
        if self.json {
            self.object(&json!({ what: number }))
        } else {
            self.line(&format!("{what} {number} entries"))
        }
    }

    /// Flushes the output, so that errors are seen.
    pub fn flush(&mut self) -> Result<()> {
        Ok(self.out.flush()?)
    }
}

/// A line that can be loaded.
pub fn line(entry: &Entry, format: Format, style: &Style) -> String {
    let (prefix, value) = (style.key.format(&entry.0), style.value.format(&entry.1));
    match format {
        Format::Text => format!("{prefix} {value}"),
        Format::Csv => format!("{},{}", csv_field(&prefix), csv_field(&value)),
        Format::Json => object(entry, style).to_string(),
    }
}

fn csv_field(text: &str) -> String {
    if text.contains([',', '"']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

pub fn object((prefix, value): &(BytePrefix, Bytes), style: &Style) -> Json {
    json!({
        "prefix": style.key.format(prefix),
        "length": prefix.prefix_len(),
        "value": style.value.json(value),
    })
}
