// SPDX-License-Identifier: MIT OR Apache-2.0
//! The job: the command that the host requests, its execution, and the verdict.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::{
        fd::AsRawFd,
        unix::process::{CommandExt, ExitStatusExt},
    },
    process::{Child, Command, ExitStatus},
};

use anyhow::{Context, Result, bail};

use crate::{mounts::JOB, terminal};

/// Exit statuses of a shell for a command that is missing, and one that cannot be executed.
const NOT_FOUND: i32 = 127;
const NOT_RUNNABLE: i32 = 126;

/// What the host requests. Its file is a list of `NAME=VALUE`, each terminated by NUL, where NAME is
/// a field below; `argv` and `env` occur once per argument and variable, the others at most once.
#[derive(Default)]
pub struct Job {
    pub argv: Vec<String>,
    pub cwd: String,
    /// The command's complete environment, NAME=VALUE; of equal names, the last one counts.
    pub env: Vec<(String, String)>,
    /// The command's standard input, if it is not the terminal, which cannot
    /// signal end of file.
    pub stdin: Option<String>,
    /// A module to insert before running the command.
    pub module: Option<String>,
    /// Contains lib/modules/RELEASE, for modules loaded on demand.
    pub modules_dir: Option<String>,
    /// A host directory that is writable in the machine, at the same path.
    pub share: Option<String>,
    /// The terminal is interactive: line editing, signals, job control. VALUE is `yes` or `no`.
    pub interactive: bool,
}

impl Job {
    pub fn read() -> Result<Self> {
        let path = format!("{JOB}/job");
        let text = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
        Self::parse(&text).with_context(|| format!("parse {path}"))
    }

    fn parse(text: &str) -> Result<Self> {
        let mut job = Self::default();
        for line in text.split_terminator('\0') {
            let (name, value) = line
                .split_once('=')
                .with_context(|| format!("no '=': {line}"))?;
            let value = value.to_owned();
            match name {
                "argv" => job.argv.push(value),
                "cwd" => job.cwd = value,
                "env" => {
                    let pair = value.split_once('=');
                    let (name, value) = pair.with_context(|| format!("no second '=': {line}"))?;
                    job.env.push((name.to_owned(), value.to_owned()));
                }
                "stdin" => job.stdin = Some(value),
                "module" => job.module = Some(value),
                "modules_dir" => job.modules_dir = Some(value),
                "share" => job.share = Some(value),
                "interactive" => job.interactive = value == "yes",
                _ => bail!("unknown name: {line}"),
            }
        }
        if job.argv.is_empty() {
            bail!("argv is empty, so there is nothing to run");
        }
        Ok(job)
    }

    /// Whether this machine's CPU cannot run the host's programs.
    pub fn is_foreign(&self) -> bool {
        self.env.iter().any(|(name, _)| name == "LPM_MTRIE_FOREIGN")
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
        .envs(job.env.iter().map(|(name, value)| (name, value)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn job_is_parsed() {
        let job = Job::parse(
            "cwd=/a b\0argv=sh\0argv=-c\0argv=x=1\necho\0argv=\0env=A=\0env=B=c=d\0interactive=yes\0",
        )
        .unwrap();
        assert_eq!(job.argv, ["sh", "-c", "x=1\necho", ""]);
        assert_eq!(job.cwd, "/a b");
        let pairs = [("A", ""), ("B", "c=d")];
        assert_eq!(
            job.env,
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        assert!(job.interactive && job.module.is_none());
    }

    #[test]
    fn malformed_job_is_an_error() {
        for text in [
            "",
            "cwd=/\0",
            "argv\0",
            "argv=a\0env=A\0",
            "argv=a\0colour=red\0",
        ] {
            assert!(Job::parse(text).is_err(), "{text:?}");
        }
    }
}
