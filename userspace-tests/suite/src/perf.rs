// SPDX-License-Identifier: MIT OR Apache-2.0
//! Perf events to attach programs to: a tracepoint, a kprobe, a CPU clock.

use std::{
    ffi::CStr,
    fs, io, mem,
    os::fd::{FromRawFd, OwnedFd},
};

use anyhow::{Context, Result};
use aya_obj::generated::perf_event_attr;

use crate::arch::INSIDE;

/// PERF_TYPE_SOFTWARE, PERF_TYPE_TRACEPOINT, PERF_COUNT_SW_CPU_CLOCK of uapi perf_event.h.
const TYPE_SOFTWARE: u32 = 1;
const TYPE_TRACEPOINT: u32 = 2;
const SW_CPU_CLOCK: u64 = 0;

/// A tracepoint, for all processes.
pub fn tracepoint(category: &str, name: &str) -> Result<OwnedFd> {
    let mut attr = attr();
    attr.type_ = TYPE_TRACEPOINT;
    attr.config = number(&format!("/sys/kernel/tracing/events/{category}/{name}/id"))?;
    open(&attr, -1, 0).with_context(|| format!("perf_event_open of tracepoint {category}/{name}"))
}

/// A kprobe at the start of a function, for all processes.
pub fn kprobe(function: &CStr) -> Result<OwnedFd> {
    kprobe_at(function, 0).with_context(|| format!("perf_event_open of kprobe {function:?}"))
}

/// A kprobe inside a function, after the place that ftrace handles.
pub fn kprobe_inside(function: &CStr) -> Result<OwnedFd> {
    kprobe_at(function, INSIDE[0])
        .or_else(|_| kprobe_at(function, INSIDE[1]))
        .with_context(|| format!("perf_event_open of a kprobe inside {function:?}"))
}

fn kprobe_at(function: &CStr, offset: u64) -> Result<OwnedFd> {
    let mut attr = attr();
    attr.type_ = number("/sys/bus/event_source/devices/kprobe/type")? as u32;
    attr.__bindgen_anon_3.kprobe_func = function.as_ptr() as u64;
    attr.__bindgen_anon_4.probe_offset = offset;
    Ok(open(&attr, -1, 0)?)
}

/// A clock that fires every `nanoseconds` of this process's run time.
pub fn cpu_clock(nanoseconds: u64) -> Result<OwnedFd> {
    open(&clock(nanoseconds), 0, -1).context("perf_event_open of the CPU clock")
}

/// A clock that fires every `nanoseconds` on a CPU, whichever process runs there.
pub fn cpu_clock_on(cpu: usize, nanoseconds: u64) -> Result<OwnedFd> {
    open(&clock(nanoseconds), -1, cpu as i32).context("perf_event_open of a CPU's clock")
}

fn clock(nanoseconds: u64) -> perf_event_attr {
    let mut attr = attr();
    attr.type_ = TYPE_SOFTWARE;
    attr.config = SW_CPU_CLOCK;
    attr.__bindgen_anon_1.sample_period = nanoseconds;
    attr
}

fn number(path: &str) -> Result<u64> {
    fs::read_to_string(path)
        .with_context(|| path.to_owned())?
        .trim()
        .parse()
        .with_context(|| path.to_owned())
}

fn attr() -> perf_event_attr {
    // SAFETY: perf_event_attr is a C struct of integers and bit fields; all zeros is a value.
    let mut attr: perf_event_attr = unsafe { mem::zeroed() };
    attr.size = mem::size_of::<perf_event_attr>() as u32;
    attr
}

fn open(attr: &perf_event_attr, pid: i32, cpu: i32) -> io::Result<OwnedFd> {
    // SAFETY: the kernel reads `size` bytes of `attr`, and the function's name if it has one,
    // which is NUL-terminated and outlives the call.
    let fd = unsafe { libc::syscall(libc::SYS_perf_event_open, attr, pid, cpu, -1, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call returned this descriptor, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}
