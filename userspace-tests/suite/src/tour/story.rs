// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs the steps of the tour, checks each against its description, and prints it.

use std::{io::Write, process};

use anyhow::{Context, Result, ensure};
use raw_bpf::RawMap;

use crate::{
    ftrace::{Call, Ftrace},
    kernel_module,
    references::Watch,
    wait,
};

/// The functions that create, count and free a map: their files, and what they do.
const FUNCTIONS: &str = "\
bpf_map_type_get        kernel/bpf/map_registry.c   finds the type's ops and takes a reference to their module
map_create              kernel/bpf/syscall.c        calls the type's map_alloc, sets both counters to 1, assigns an id
bpf_map_new_fd          kernel/bpf/syscall.c        creates an open file and its descriptor, and gives it one reference of each kind
bpf_map_get_with_uref   kernel/bpf/syscall.c        from a descriptor: refcnt + 1, usercnt + 1
bpf_map_inc_with_uref   kernel/bpf/syscall.c        refcnt + 1, usercnt + 1
bpf_map_get_fd_by_id    kernel/bpf/syscall.c        refcnt + 1 unless it is already 0, usercnt + 1, creates an open file
bpf_map_inc             kernel/bpf/syscall.c        refcnt + 1
bpf_map_release         kernel/bpf/syscall.c        the open file has lost its last descriptor: usercnt - 1
bpf_destroy_inode       kernel/bpf/inode.c          the pin's file is gone, so its reference is put
bpf_map_put_with_uref   kernel/bpf/syscall.c        usercnt - 1, then bpf_map_put()
bpf_prog_free_deferred  kernel/bpf/core.c           a worker frees the program, which puts its maps
bpf_map_put             kernel/bpf/syscall.c        refcnt - 1; at 0, removes the id and queues a worker to free the map
bpf_map_free_deferred   kernel/bpf/syscall.c        the worker, after the grace periods that the map requires
bpf_map_free            kernel/bpf/syscall.c        calls the type's map_free, then drops the reference to its module";

struct Function {
    name: &'static str,
    file: &'static str,
    what: &'static str,
}

fn known() -> impl Iterator<Item = Function> {
    FUNCTIONS.lines().filter_map(|line| {
        let (name, rest) = line.split_once(' ')?;
        let (file, what) = rest.trim_start().split_once(' ')?;
        Some(Function {
            name,
            file,
            what: what.trim_start(),
        })
    })
}

/// refcnt and usercnt.
pub type Counts = (i64, i64);
/// What userspace does in a step.
pub type Act<'a> = &'a mut dyn FnMut() -> Result<()>;

/// The map, and what has been observed of it so far.
pub struct Story<'a> {
    out: &'a mut dyn Write,
    watch: Watch,
    trace: Ftrace,
    steps: u32,
    cookie: u64,
    before: Counts,
    module: u32,
    seen: Vec<Call>,
}

impl<'a> Story<'a> {
    pub fn new(out: &'a mut dyn Write) -> Result<Self> {
        Ok(Self {
            out,
            watch: Watch::new()?,
            trace: Ftrace::new(known().map(|function| function.name))?,
            steps: 0,
            cookie: 0,
            before: (0, 0),
            module: kernel_module::references()?,
            seen: vec![],
        })
    }

    pub fn create(&mut self, title: &str, make: impl FnOnce() -> Result<RawMap>) -> Result<RawMap> {
        self.trace.clear()?;
        let map = make()?;
        let functions = ["bpf_map_type_get", "map_create", "bpf_map_new_fd"];
        let calls = self.calls(&functions)?;
        self.cookie = self.watch.of(map.fd())?.cookie;
        let why = "The descriptor has the first reference. The map references the module.";
        self.tell(title, (1, 1), &functions, why, calls)?;
        Ok(map)
    }

    pub fn step(
        &mut self,
        title: &str,
        after: Counts,
        functions: &[&str],
        why: &str,
        act: Act<'_>,
    ) -> Result<()> {
        self.trace.clear()?;
        act()?;
        // Some changes happen only after a grace period.
        wait::until(title, || {
            let now = self
                .watch
                .find(self.cookie)?
                .context("the map no longer exists")?;
            Ok((now.refcnt, now.usercnt) == after)
        })?;
        let calls = self.calls(functions)?;
        self.tell(title, after, functions, why, calls)
    }

    pub fn end(&mut self, title: &str, act: impl FnOnce() -> Result<()>) -> Result<()> {
        self.trace.clear()?;
        act()?;
        self.watch.wait_for_free(self.cookie)?;
        kernel_module::wait_for(self.module)?;
        let functions = [
            "bpf_prog_free_deferred",
            "bpf_map_put",
            "bpf_map_free_deferred",
            "bpf_map_free",
        ];
        let calls = self.calls(&functions)?;
        let why = "The map is freed, and its module can be removed.";
        self.tell(title, (0, 0), &functions, why, calls)
    }

    /// The calls that this process made in the step, and those of workers that it queued,
    /// without those of the iterator that reads the counters.
    fn calls(&self, functions: &[&str]) -> Result<Vec<Call>> {
        let mut calls = self.trace.calls()?;
        calls.retain(|call| {
            let ours = call.pid == process::id() || functions.contains(&call.function.as_str());
            let iterator = ["bpf_map_seq_next", "bpf_map_seq_stop", "bpf_seq_read"];
            ours && !iterator.contains(&call.caller.as_str())
        });
        Ok(calls)
    }

    fn tell(
        &mut self,
        title: &str,
        after: Counts,
        functions: &[&str],
        why: &str,
        calls: Vec<Call>,
    ) -> Result<()> {
        for function in functions {
            ensure!(
                calls.iter().any(|call| call.function == *function),
                "{title}: {function}() did not run; calls: {calls:?}"
            );
        }
        ensure!(
            !functions.is_empty() || calls.is_empty(),
            "{title}: unexpected calls: {calls:?}"
        );
        self.steps += 1;
        let module = kernel_module::references()?;
        let (before, out) = (self.before, &mut self.out);
        writeln!(out, "{:2}. {title}", self.steps)?;
        writeln!(
            out,
            "    refcnt {} -> {}   usercnt {} -> {}   module {module}",
            before.0, after.0, before.1, after.1
        )?;
        if calls.is_empty() {
            writeln!(out, "    no traced function ran")?;
        }
        for call in &calls {
            let Function { file, what, .. } = known()
                .find(|row| row.name == call.function)
                .context("a function that is not traced was called")?;
            writeln!(
                out,
                "    {}(), called by {}()   {file}\n        {what}",
                call.function, call.caller
            )?;
        }
        writeln!(out, "    {why}\n")?;
        self.before = after;
        self.seen.extend(calls);
        Ok(())
    }

    pub fn told_all(self) -> Result<()> {
        for Function { name, .. } in known() {
            ensure!(
                self.seen.iter().any(|call| call.function == name),
                "{name}() never ran"
            );
        }
        Ok(())
    }
}
