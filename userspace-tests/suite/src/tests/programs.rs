// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lookup, update and delete by programs of each type, and their effects.

use std::{
    fs::File,
    io,
    net::UdpSocket,
    os::fd::{AsFd, AsRawFd},
    process,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use aya_obj::generated::bpf_attach_type::{
    BPF_CGROUP_INET_INGRESS, BPF_PERF_EVENT, BPF_TCX_INGRESS, BPF_XDP,
};
use libc::{EEXIST, EINVAL, ENOENT};
use lpm_mtrie::{Loader, Object, Program};
use raw_bpf::{
    RawMap,
    sys::prog::{Target, TestRun, link_create, raw_tracepoint_open, test_run},
};

use crate::{
    arch::GETPID,
    check,
    harness::{Test, Type},
    maps::value,
    model::ANY,
    objects, perf,
    prefix::v4,
    wait,
};

macro_rules! test {
    ($name:ident, $program:literal, $trigger:expr) => {
        Test::both(concat!("programs_", stringify!($name)), |on| {
            steps(on, |object| Ok(object.load_program($program)?), $trigger)
        })
    };
}

pub const TESTS: &[Test] = &[
    test!(socket_filter_test_run, "in_socket_filter", packet),
    test!(socket_filter_on_a_socket, "in_socket_filter", on_a_socket),
    test!(xdp_test_run, "in_xdp", packet),
    test!(xdp_on_lo, "in_xdp", on_lo_by_xdp),
    test!(tc_test_run, "in_classifier", packet),
    test!(tc_on_lo, "in_classifier", on_lo_by_tc),
    test!(cgroup_skb_test_run, "in_cgroup_skb", packet),
    test!(cgroup_skb_on_the_root, "in_cgroup_skb", on_the_root_cgroup),
    test!(raw_tracepoint_test_run, "in_raw_tracepoint", arguments),
    test!(raw_tracepoint_attached, "in_raw_tracepoint", on_sys_enter),
    test!(tracepoint_attached, "in_tracepoint", on_getpid_tracepoint),
    test!(kprobe_attached, "in_kprobe", on_getpid_kprobe),
    test!(perf_event_attached, "in_perf_event", on_a_clock),
    Test::mtrie("programs_add_atomically", add_atomically),
];

/// `enum result` of bpf/three_helpers.bpf.c.
#[derive(Clone, Copy)]
enum Noted {
    Runs,
    Found,
    Absent,
    Inserted,
    InsertedAgain,
    BadFlag,
    Deleted,
    DeletedAgain,
    TooLong,
}

/// Makes the program run at least once.
pub type Trigger = fn(&Program, &Runs<'_>) -> Result<()>;

/// How often the program has run, as it counts itself.
pub struct Runs<'a>(&'a RawMap<&'a aya::maps::MapFd>);

impl Runs<'_> {
    pub fn get(&self) -> Result<i64> {
        noted(self.0, Noted::Runs)
    }
}

fn noted(results: &RawMap<&aya::maps::MapFd>, index: Noted) -> Result<i64> {
    let bytes = results.lookup(&(index as u32).to_ne_bytes(), 0)?;
    Ok(i64::from_ne_bytes(
        bytes.try_into().ok().context("a result of 8 bytes")?,
    ))
}

/// Loads a program of bpf/three_helpers.bpf.c, makes it run, and checks what it did.
pub fn steps(
    on: Type,
    load: impl FnOnce(&Object) -> Result<Program>,
    trigger: Trigger,
) -> Result<()> {
    let object = Loader::new()
        .lpm_type(on.map_type())
        .constant("caller", &process::id().to_ne_bytes())
        .load(objects::THREE_HELPERS)?;
    let lpm = RawMap::new(object.map("lpm")?.fd())?;
    lpm.update(&v4([10, 1, 0, 0], 16), &value(111), ANY)?;
    lpm.update(&v4([10, 3, 0, 0], 16), &value(333), ANY)?;

    let results = RawMap::new(object.map("results")?.fd())?;
    let program = load(&object)?;
    let runs = Runs(&results);
    trigger(&program, &runs)?;
    check::holds(runs.get()? >= 1, "the program ran")?;

    for (index, want, why) in [
        (Noted::Found, 111, "lookup of 10.1.2.3 found 10.1/16"),
        (Noted::Absent, 1, "lookup of 11.0.0.0 found nothing"),
        (Noted::TooLong, 1, "lookup with prefixlen 33 found nothing"),
        (
            Noted::Inserted,
            0,
            "update with BPF_NOEXIST of a new prefix",
        ),
        (
            Noted::InsertedAgain,
            -i64::from(EEXIST),
            "update with BPF_NOEXIST again",
        ),
        (Noted::BadFlag, -i64::from(EINVAL), "update with flags 99"),
        (Noted::Deleted, 0, "delete of a present prefix"),
        (
            Noted::DeletedAgain,
            -i64::from(ENOENT),
            "delete of it again",
        ),
    ] {
        check::equal(noted(&results, index)?, want, why)?;
    }
    check::equal(
        lpm.lookup(&v4([10, 1, 0, 0], 16), 0)?,
        value(112),
        "written in place",
    )?;
    check::equal(
        lpm.lookup(&v4([10, 2, 0, 0], 16), 0)?,
        value(222),
        "inserted",
    )?;
    check::errno(lpm.lookup(&v4([10, 3, 0, 0], 16), 0), ENOENT, "deleted")?;
    let left = vec![v4([10, 1, 0, 0], 16), v4([10, 2, 0, 0], 16)];
    check::equal(lpm.keys(10)?, left, "the content of the map afterwards")
}

/// Values are aligned as atomic instructions require.
fn add_atomically(on: Type) -> Result<()> {
    let object = Loader::new()
        .lpm_type(on.map_type())
        .load(objects::SHARED)?;
    let lpm = RawMap::new(object.map("lpm")?.fd())?;
    let key = v4([10, 1, 0, 0], 16);
    lpm.update(&key, &value(5), ANY)?;
    let program = object.load_program("count_atomically")?;
    let run = program.test_run(&[0; 64])?;
    check::equal(run.retval, 1, "the program found its prefix")?;
    check::equal(lpm.lookup(&key, 0)?, value(6), "and added to its value")
}

pub fn packet(program: &Program, _: &Runs<'_>) -> Result<()> {
    // An Ethernet header of type IPv4, and zeros: no program here reads it.
    let mut frame = [0; 64];
    frame[12] = 8;
    frame[14] = 0x45;
    program.test_run(&frame).context("BPF_PROG_TEST_RUN")?;
    Ok(())
}

fn arguments(program: &Program, _: &Runs<'_>) -> Result<()> {
    let run = TestRun {
        data: &[],
        ctx: &[0; 16],
        repeat: 0,
    };
    test_run(program.as_fd(), &run).context("BPF_PROG_TEST_RUN")?;
    Ok(())
}

fn on_a_socket(program: &Program, runs: &Runs<'_>) -> Result<()> {
    let receiver = UdpSocket::bind("127.0.0.1:0")?;
    let fd = program.as_fd().as_raw_fd();
    // SAFETY: SO_ATTACH_BPF reads one int.
    let ret = unsafe {
        libc::setsockopt(
            receiver.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_BPF,
            (&raw const fd).cast(),
            size_of::<i32>() as u32,
        )
    };
    if ret != 0 {
        return Err(io::Error::last_os_error()).context("SO_ATTACH_BPF");
    }
    send_to(&receiver)?;
    has_run(runs)
}

fn on_lo_by_xdp(program: &Program, runs: &Runs<'_>) -> Result<()> {
    let _link = link_create(program.as_fd(), Target::Interface(1), BPF_XDP).context("XDP on lo")?;
    packet_on_lo(runs)
}

fn on_lo_by_tc(program: &Program, runs: &Runs<'_>) -> Result<()> {
    let lo = Target::Interface(1);
    let _link = link_create(program.as_fd(), lo, BPF_TCX_INGRESS).context("tcx on lo")?;
    packet_on_lo(runs)
}

fn on_the_root_cgroup(program: &Program, runs: &Runs<'_>) -> Result<()> {
    let cgroup = File::open("/sys/fs/cgroup")?;
    let target = Target::Fd(cgroup.as_fd());
    let _link = link_create(program.as_fd(), target, BPF_CGROUP_INET_INGRESS)
        .context("cgroup_skb on the root cgroup")?;
    packet_on_lo(runs)
}

fn packet_on_lo(runs: &Runs<'_>) -> Result<()> {
    let receiver = UdpSocket::bind("127.0.0.1:0")?;
    send_to(&receiver)?;
    has_run(runs)
}

fn send_to(receiver: &UdpSocket) -> Result<()> {
    let sender = UdpSocket::bind("127.0.0.1:0")?;
    sender.send_to(b"packet", receiver.local_addr()?)?;
    Ok(())
}

fn on_sys_enter(program: &Program, runs: &Runs<'_>) -> Result<()> {
    let _link = raw_tracepoint_open(program.as_fd(), c"sys_enter").context("attach")?;
    call_getpid();
    has_run(runs)
}

fn on_getpid_tracepoint(program: &Program, runs: &Runs<'_>) -> Result<()> {
    let event = perf::tracepoint("syscalls", "sys_enter_getpid")?;
    on_event(program, &event, runs)
}

fn on_getpid_kprobe(program: &Program, runs: &Runs<'_>) -> Result<()> {
    let event = perf::kprobe(GETPID)?;
    on_event(program, &event, runs)
}

fn on_a_clock(program: &Program, runs: &Runs<'_>) -> Result<()> {
    let event = perf::cpu_clock(1_000_000)?;
    on_event(program, &event, runs)
}

fn on_event(program: &Program, event: &impl AsFd, runs: &Runs<'_>) -> Result<()> {
    let target = Target::Fd(event.as_fd());
    let _link = link_create(program.as_fd(), target, BPF_PERF_EVENT).context("attach")?;
    has_run(runs)
}

/// Keeps the CPU busy with getpid until the program has run: the clock of a process
/// that sleeps most of the time may be stopped before its interrupt arrives, each time.
fn has_run(runs: &Runs<'_>) -> Result<()> {
    const BUSY: Duration = Duration::from_millis(10);
    wait::until("the program to run", || {
        let start = Instant::now();
        while start.elapsed() < BUSY {
            call_getpid();
        }
        Ok(runs.get()? > 0)
    })
}

fn call_getpid() {
    // SAFETY: getpid takes nothing. By number, so that no library answers for the kernel.
    unsafe { libc::syscall(libc::SYS_getpid) };
}
