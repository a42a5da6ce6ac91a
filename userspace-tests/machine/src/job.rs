// SPDX-License-Identifier: MIT OR Apache-2.0
//! The job: what the host wants run, the run, and the verdict.

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

/// A shell's statuses for a command that is not there, and one that will not run.
const NOT_FOUND: i32 = 127;
const NOT_RUNNABLE: i32 = 126;

/// `job.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    pub argv: Vec<String>,
    pub cwd: String,
    /// The command's whole environment.
    pub env: BTreeMap<String, String>,
    /// The command's standard input, if that is not the terminal: it carries
    /// bytes alone, no end of file.
    pub stdin: Option<String>,
    /// A module to insert before the command.
    pub module: Option<String>,
    /// Holds lib/modules/RELEASE, for modules that load by themselves.
    pub modules_dir: Option<String>,
    /// A host directory that is writable here, at the same path.
    pub share: Option<String>,
    /// A person is at the terminal: line editing, signals, job control.
    pub interactive: bool,
}

impl Job {
    pub fn read() -> Result<Self> {
        let path = format!("{JOB}/job.json");
        let text = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
        let job: Self = serde_json::from_str(&text).with_context(|| format!("parse {path}"))?;
        if job.argv.is_empty() {
            bail!("{path}: argv is empty, there is nothing to run");
        }
        Ok(job)
    }

    /// Whether this machine's CPU runs no program of the host.
    pub fn is_foreign(&self) -> bool {
        self.env.contains_key("LPM_MTRIE_FOREIGN")
    }
}

/// Runs the command to its end and returns its status as a shell counts it.
pub fn run(job: &Job) -> Result<i32> {
    let tty = terminal::open().context("open the command's terminal")?;
    if !job.interactive {
        terminal::make_raw(&tty).context("set the command's terminal raw")?;
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
    // The end of a session hangs its terminal up, and with it every descriptor from before.
    let tty = terminal::open().context("open the command's terminal again")?;
    terminal::drain(&tty).context("flush the command's terminal")?;
    Ok(status)
}

/// The inner error is the command's own: it cannot be executed.
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
        // SAFETY: the closure makes two system calls and allocates nothing, as a child of fork must.
        unsafe { command.pre_exec(move || terminal::take_control(fd)) };
    }
    Ok(command.spawn())
}

/// Waits for the command; whatever else ends meanwhile was left to PID 1 and
/// is reaped.
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
        (None, None) => unreachable!("waitpid without WUNTRACED reports ends alone"),
    }
}

/// Leaves the verdict for the host. The rename makes it all or nothing.
pub fn report(status: i32) -> Result<()> {
    let [temporary, path] = ["status.new", "status"].map(|name| format!("{JOB}/{name}"));
    let mut file = File::create(&temporary).with_context(|| format!("create {temporary}"))?;
    writeln!(file, "{status}").with_context(|| format!("write {temporary}"))?;
    file.sync_all()
        .with_context(|| format!("sync {temporary}"))?;
    fs::rename(&temporary, &path).with_context(|| format!("rename to {path}"))
}
