// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs the host's programs in the test machine, and returns their output.

use std::{env, path::Path, process::Command};

use anyhow::{Context, Result, bail};

/// Whether this machine's CPU cannot run the host's programs, according to scripts/vm.
pub fn host_is_foreign() -> bool {
    env::var_os("LPM_MTRIE_FOREIGN").is_some()
}

/// The directory of the programs that scripts/inputs/tools built for this checkout.
const BUILT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/tools");

/// A program that scripts/inputs/tools built.
pub fn built(name: &str) -> Result<Command> {
    let path = Path::new(BUILT).join(name);
    if !path.exists() {
        bail!("{} is missing; run scripts/inputs/tools", path.display());
    }
    Ok(Command::new(path))
}

/// Returns the command's standard output; fails if its exit status is not 0.
pub fn succeeds(command: &mut Command) -> Result<String> {
    match run(command)? {
        (true, output) => Ok(output),
        (false, output) => bail!("{command:?} failed:\n{output}"),
    }
}

/// Returns the command's standard output and error; fails if its exit status is 0.
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
