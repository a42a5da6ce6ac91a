// SPDX-License-Identifier: MIT OR Apache-2.0
//! The job: the command that the host requests, its execution, and the verdict.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    os::{
        fd::AsRawFd,
        unix::process::{CommandExt, ExitStatusExt},
    },
    process::{Child, Command, ExitStatus},
};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::{mounts::JOB, terminal};

/// Exit statuses of a shell for a command that is missing, and one that cannot be executed.
const NOT_FOUND: i32 = 127;
const NOT_RUNNABLE: i32 = 126;

/// `job.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    pub argv: Vec<String>,
    pub cwd: String,
    /// The command's complete environment.
    pub env: BTreeMap<String, String>,
    /// The command's standard input, if it is not the terminal, which cannot
    /// signal end of file.
    pub stdin: Option<String>,
    /// A module to insert before running the command.
    pub module: Option<String>,
    /// Contains lib/modules/RELEASE, for modules loaded on demand.
    pub modules_dir: Option<String>,
    /// A host directory that is writable in the machine, at the same path.
    pub share: Option<String>,
    /// The terminal is interactive: line editing, signals, job control.
    pub interactive: bool,
}

impl Job {
    pub fn read() -> Result<Self> {
        let path = format!("{JOB}/job.json");
        let text = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
        let job: Self = serde_json::from_str(&text).with_context(|| format!("parse {path}"))?;
        if job.argv.is_empty() {
            bail!("{path}: argv is empty, so there is nothing to run");
        }
        Ok(job)
    }

    /// Whether this machine's CPU cannot run the host's programs.
    pub fn is_foreign(&self) -> bool {
        self.env.contains_key("LPM_MTRIE_FOREIGN")
    }
}

/// Runs the command to completion and returns its status by shell conventions.
pub fn run(job: &Job) -> Result<i32> {
    let tty = terminal::open().context("open the command's terminal")?;
    if !job.interactive {
        terminal::make_raw(&tty).context("set the command's terminal to raw mode")?;
    }
    let status = match start(job, &tty)? {
        Ok(child) => code(wait_for(child)?),
        Err(error) => {
            let mut out = &tty;
            writeln!(
                out,
                "{}: {error} (working directory {})",
                job.argv[0], job.cwd
            )
            .context("write to the command's terminal")?;
            match error.kind() {
                io::ErrorKind::NotFound => NOT_FOUND,
                _ => NOT_RUNNABLE,
            }
        }
    };
    // The end of the session hung up the terminal, and all descriptors opened before.
    let tty = terminal::open().context("open the command's terminal again")?;
    terminal::drain(&tty).context("flush the command's terminal")?;
    Ok(status)
}

/// The inner error means that the command cannot be executed.
fn start(job: &Job, tty: &File) -> Result<io::Result<Child>> {
    let stdio = || tty.try_clone().context("duplicate the terminal");
    let stdin = match &job.stdin {
        Some(path) => File::open(path).with_context(|| path.clone())?,
        None => stdio()?,
    };
    let mut command = Command::new(&job.argv[0]);
    command
        .args(&job.argv[1..])
        .current_dir(&job.cwd)
        .env_clear()
        .envs(&job.env)
        .stdin(stdin)
        .stdout(stdio()?)
        .stderr(stdio()?);
    if job.interactive {
        let fd = tty.as_raw_fd();
        // SAFETY: the closure makes two system calls and allocates nothing, as required after fork.
        unsafe { command.pre_exec(move || terminal::take_control(fd)) };
    }
    Ok(command.spawn())
}

/// Waits for the command, and reaps orphans that end meanwhile.
fn wait_for(child: Child) -> Result<ExitStatus> {
    loop {
        let mut status = 0;
        // SAFETY: waitpid writes one int.
        let pid = unsafe { libc::waitpid(-1, &mut status, 0) };
        if pid < 0 {
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error).context("wait for the command");
            }
        } else if pid.cast_unsigned() == child.id() {
            return Ok(ExitStatus::from_raw(status));
        }
    }
}

fn code(status: ExitStatus) -> i32 {
    match (status.code(), status.signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => 128 + signal,
        (None, None) => unreachable!("waitpid without WUNTRACED reports only terminations"),
    }
}

/// Writes the verdict for the host, atomically, by a rename.
pub fn report(status: i32) -> Result<()> {
    let [temporary, path] = ["status.new", "status"].map(|name| format!("{JOB}/{name}"));
    let mut file = File::create(&temporary).with_context(|| format!("create {temporary}"))?;
    writeln!(file, "{status}").with_context(|| format!("write {temporary}"))?;
    file.sync_all()
        .with_context(|| format!("sync {temporary}"))?;
    fs::rename(&temporary, &path).with_context(|| format!("rename to {path}"))
}
