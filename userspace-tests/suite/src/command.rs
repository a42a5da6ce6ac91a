// SPDX-License-Identifier: MIT OR Apache-2.0
//! Programs of the host, run in the machine: what they wrote, or why not.

use std::{env, path::Path, process::Command};

use anyhow::{Context, Result, bail};

/// Whether this machine's CPU does not run them, as scripts/vm says.
pub fn host_is_foreign() -> bool {
    env::var_os("LPM_MTRIE_FOREIGN").is_some()
}

/// Where scripts/tools leaves what it built for this checkout.
const BUILT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/tools");

/// A program that scripts/tools built.
pub fn built(name: &str) -> Result<Command> {
    let path = Path::new(BUILT).join(name);
    if !path.exists() {
        bail!("{} is missing; run scripts/tools", path.display());
    }
    Ok(Command::new(path))
}

/// Its standard output, if it exits with 0.
pub fn succeeds(command: &mut Command) -> Result<String> {
    match run(command)? {
        (true, output) => Ok(output),
        (false, output) => bail!("{command:?} failed:\n{output}"),
    }
}

/// Its standard output and error, if it does not.
pub fn fails(command: &mut Command) -> Result<String> {
    match run(command)? {
        (true, output) => bail!("{command:?} succeeded:\n{output}"),
        (false, output) => Ok(output),
    }
}

fn run(command: &mut Command) -> Result<(bool, String)> {
    let output = command
        .output()
        .with_context(|| format!("run {command:?}; scripts/setup installs what is missing"))?;
    let success = output.status.success();
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !success {
        text += &String::from_utf8_lossy(&output.stderr);
    }
    Ok((success, text))
}
