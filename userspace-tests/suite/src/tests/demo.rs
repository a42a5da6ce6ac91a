// SPDX-License-Identifier: MIT OR Apache-2.0
//! The demo, which lies next to the suite, with a small table.

use std::{
    env,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use anyhow::{Result, bail};

use crate::{
    check,
    harness::{Test, Type},
};

pub const TESTS: &[Test] = &[Test::mtrie(
    "demo_compares_both_types_with_a_small_table",
    small_table,
)];

const PINS: &str = "/sys/fs/bpf/lpm_mtrie_demo";

/// A table in a file.
struct File(PathBuf);

impl File {
    fn new(text: &str) -> Result<Self> {
        let path = env::temp_dir().join("suite_demo");
        fs::write(&path, text)?;
        Ok(Self(path))
    }

    fn demo(&self, options: &[&str]) -> Result<Output> {
        let demo = env::current_exe()?.with_file_name("demo");
        if !demo.exists() {
            bail!("{} is missing; build the package demo", demo.display());
        }
        let mut command = Command::new(demo);
        command.arg("--table").arg(&self.0).args(options);
        Ok(command.output()?)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // Where it is already gone, there is nothing to do.
        let _ = fs::remove_file(&self.0);
    }
}

fn small_table(_: Type) -> Result<()> {
    let mut text = "0.0.0.0/0 1\n::/0 2\n8.8.8.0/24 3 # Google DNS\n2001:db8::/32 4\n".to_owned();
    for number in 0..2000 {
        let [_, _, high, low] = u32::to_be_bytes(number);
        writeln!(text, "10.{high}.{low}.0/24 {number}")?;
    }

    let bad = File::new(&format!("{text}8.8.8.8/33 5\n"))?;
    let refused = bad.demo(&[])?;
    let err = String::from_utf8(refused.stderr)?;
    check::equal(refused.status.code(), Some(1), "the status for a bad line")?;
    for part in [":2005: '33' is not a prefix length", "nothing was loaded"] {
        check::holds(err.contains(part), &format!("'{part}' in: {err}"))?;
    }

    let output = File::new(&text)?.demo(&["--seed", "7"])?;
    let (out, err) = (
        String::from_utf8(output.stdout)?,
        String::from_utf8(output.stderr)?,
    );
    check::equal(output.status.code(), Some(0), &format!("its status: {err}"))?;
    for part in [
        ": 2,002 IPv4 and 2 IPv6 prefixes\n",
        " frames sent, each counted once for its source and once for its destination\n",
        "IPv4: 200,000 addresses, 200,000 of them covered by a prefix; all answers are equal\n",
        "IPv6: 200,000 addresses, 200,000 of them covered by a prefix; all answers are equal\n",
        "\nIPv4 prefixes: 2,002 ",
        "\nIPv6 prefixes: 2 ",
        "\nLPM_MTRIE was better",
        "\nTo try next:\n",
    ] {
        check::holds(out.contains(part), &format!("'{part}' in: {out}"))?;
    }
    let row = |address: &str| -> Vec<&str> {
        let line = out.lines().find(|line| line.starts_with(address));
        line.unwrap_or_default()
            .split_whitespace()
            .skip(1)
            .take(2)
            .collect()
    };
    check::equal(
        row("8.8.8.8 "),
        vec!["8.8.8.0/24", "3"],
        "the row of 8.8.8.8",
    )?;
    check::equal(
        row("2620:fe::fe "),
        vec!["::/0", "2"],
        "the row of 2620:fe::fe",
    )?;
    check::holds(!Path::new(PINS).exists(), "its pins are gone")
}
