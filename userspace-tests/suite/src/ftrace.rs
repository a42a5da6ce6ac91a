// SPDX-License-Identifier: MIT OR Apache-2.0
//! Traces calls of kernel functions and their callers with the function tracer of
//! tracefs, in a separate instance.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};

const INSTANCES: &str = "/sys/kernel/tracing/instances";

/// A trace, which runs until it is dropped.
pub struct Ftrace(PathBuf);

/// One call of a traced function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub pid: u32,
    pub function: String,
    pub caller: String,
}

impl Ftrace {
    /// Fails if the kernel cannot trace one of the functions.
    pub fn new<'a>(functions: impl Iterator<Item = &'a str>) -> Result<Self> {
        let trace = Self(PathBuf::from(INSTANCES).join(std::process::id().to_string()));
        fs::create_dir(&trace.0).with_context(|| format!("mkdir {}", trace.0.display()))?;
        let list: Vec<_> = functions.collect();
        trace.write("set_ftrace_filter", &list.join(" "))?;
        trace.write("current_tracer", "function")?;
        Ok(trace)
    }

    fn write(&self, file: &str, text: &str) -> Result<()> {
        let path = self.0.join(file);
        fs::write(&path, text).with_context(|| format!("write {text:?} to {}", path.display()))
    }

    /// Discards the calls so far.
    pub fn clear(&self) -> Result<()> {
        self.write("trace", "\n")
    }

    /// The calls since the last [`clear`](Self::clear), in order.
    pub fn calls(&self) -> Result<Vec<Call>> {
        let path = self.0.join("trace");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Ok(text.lines().filter_map(call).collect())
    }
}

/// Parses a line such as
/// `   suite-96   [001] .....   12.345678: bpf_map_put <-bpf_map_release`
fn call(line: &str) -> Option<Call> {
    if line.starts_with('#') {
        return None;
    }
    let (front, caller) = line.rsplit_once(" <-")?;
    let (front, function) = front.rsplit_once(": ")?;
    let (task, _) = front.rsplit_once('[')?;
    Some(Call {
        pid: task.trim_end().rsplit_once('-')?.1.parse().ok()?,
        function: function.to_owned(),
        caller: caller.to_owned(),
    })
}

impl Drop for Ftrace {
    fn drop(&mut self) {
        // If the directory does not exist, there is nothing to stop.
        let _ = fs::remove_dir(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_trace() {
        let line =
            "           suite-96      [001] .....    12.345678: bpf_map_put <-bpf_map_release";
        let want = Call {
            pid: 96,
            function: "bpf_map_put".to_owned(),
            caller: "bpf_map_release".to_owned(),
        };
        assert_eq!(call(line), Some(want));
        assert_eq!(call("# tracer: function"), None);
    }
}
