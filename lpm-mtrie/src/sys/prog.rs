// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bpf(2) commands on programs and BTF: load with the verifier's log, links, test runs, and
//! loaded BTF.

use std::{
    ffi::CStr,
    io, mem,
    os::fd::{BorrowedFd, OwnedFd},
};

use aya_obj::generated::{bpf_attach_type, bpf_btf_info, bpf_cmd, bpf_insn, bpf_prog_type};

use super::{address, attr, bpf, bpf_fd, raw};

/// Records that describe a program's functions or lines, with their BTF.
#[derive(Clone, Debug, Default)]
pub struct Records {
    pub bytes: Vec<u8>,
    pub record_size: u32,
    pub count: u32,
}

/// The arguments of BPF_PROG_LOAD.
#[derive(Clone, Debug)]
pub struct ProgAttr<'a> {
    pub prog_type: bpf_prog_type,
    pub expected_attach_type: Option<bpf_attach_type>,
    pub name: &'a str,
    pub insns: &'a [bpf_insn],
    pub license: &'a CStr,
    pub flags: u32,
    /// The target of a tracing, LSM or iterator program: a type id of the kernel's BTF.
    pub attach_btf_id: u32,
    pub btf: Option<BorrowedFd<'a>>,
    pub func_info: Records,
    pub line_info: Records,
}

impl<'a> ProgAttr<'a> {
    /// A GPL program of nothing but instructions.
    pub fn new(prog_type: bpf_prog_type, insns: &'a [bpf_insn]) -> Self {
        Self {
            prog_type,
            expected_attach_type: None,
            name: "",
            insns,
            license: c"GPL",
            flags: 0,
            attach_btf_id: 0,
            btf: None,
            func_info: Records::default(),
            line_info: Records::default(),
        }
    }
}

/// A refused program: the errno, and what the verifier wrote.
#[derive(Debug, thiserror::Error)]
#[error("the kernel refused the program: {error}\n{log}")]
pub struct Rejected {
    pub error: io::Error,
    pub log: String,
}

impl Rejected {
    /// `log` is the buffer that the kernel wrote to, up to its first NUL.
    fn new(error: io::Error, log: &[u8]) -> Self {
        let text = log.split(|byte| *byte == 0).next().unwrap_or_default();
        Self {
            error,
            log: String::from_utf8_lossy(text).into_owned(),
        }
    }
}

/// Room for the end of the verifier's log, where it says what is wrong.
const LOG_SIZE: usize = 1 << 20;
/// The verifier gives up with EAGAIN when a signal is pending.
const TRIES: u32 = 5;

/// BPF_PROG_LOAD. A program that fails is loaded again for its log, which the error contains: with
/// a log, the kernel would refuse a program whose log does not fit.
pub fn load(prog: &ProgAttr<'_>) -> Result<OwnedFd, Rejected> {
    let mut tries = 0;
    let error = loop {
        tries += 1;
        match load_logging(prog, &mut []) {
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) && tries < TRIES => {}
            Err(error) => break error,
            Ok(program) => return Ok(program),
        }
    };
    let mut log = vec![0u8; LOG_SIZE];
    load_logging(prog, &mut log).map_err(|_| Rejected::new(error, &log))
}

/// With log level 1, unless `log` is empty.
fn load_logging(prog: &ProgAttr<'_>, log: &mut [u8]) -> io::Result<OwnedFd> {
    let mut attr = attr();
    attr.__bindgen_anon_3.prog_type = prog.prog_type as u32;
    attr.__bindgen_anon_3.expected_attach_type =
        prog.expected_attach_type.map_or(0, |attach| attach as u32);
    let mut name: [libc::c_char; 16] = [0; 16];
    for (to, from) in name[..15].iter_mut().zip(prog.name.bytes()) {
        *to = from as libc::c_char;
    }
    attr.__bindgen_anon_3.prog_name = name;
    attr.__bindgen_anon_3.insns = address(prog.insns.as_ptr());
    attr.__bindgen_anon_3.insn_cnt = prog.insns.len() as u32;
    attr.__bindgen_anon_3.license = address(prog.license.as_ptr());
    attr.__bindgen_anon_3.prog_flags = prog.flags;
    attr.__bindgen_anon_3.attach_btf_id = prog.attach_btf_id;
    if !log.is_empty() {
        attr.__bindgen_anon_3.log_level = 1;
        attr.__bindgen_anon_3.log_size = log.len() as u32;
        attr.__bindgen_anon_3.log_buf = address(log.as_mut_ptr());
    }
    if let Some(btf) = prog.btf {
        attr.__bindgen_anon_3.prog_btf_fd = raw(btf);
        attr.__bindgen_anon_3.func_info = address(prog.func_info.bytes.as_ptr());
        attr.__bindgen_anon_3.func_info_rec_size = prog.func_info.record_size;
        attr.__bindgen_anon_3.func_info_cnt = prog.func_info.count;
        attr.__bindgen_anon_3.line_info = address(prog.line_info.bytes.as_ptr());
        attr.__bindgen_anon_3.line_info_rec_size = prog.line_info.record_size;
        attr.__bindgen_anon_3.line_info_cnt = prog.line_info.count;
    }
    // SAFETY: every address is that of a buffer borrowed for the whole call, passed with its
    // length; the kernel writes only to the log, within `log_size`.
    unsafe { bpf_fd(bpf_cmd::BPF_PROG_LOAD, &mut attr) }
}

/// What a link attaches to.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// A cgroup's directory, or a perf event.
    Fd(BorrowedFd<'a>),
    /// A network interface (XDP, tcx).
    Interface(u32),
    /// The target that the program was loaded for (tracing, LSM, iterators).
    AsLoaded,
}

/// BPF_LINK_CREATE: attached until the descriptor is closed.
pub fn link_create(
    prog: BorrowedFd<'_>,
    target: Target<'_>,
    attach_type: bpf_attach_type,
) -> io::Result<OwnedFd> {
    let mut attr = attr();
    attr.link_create.__bindgen_anon_1.prog_fd = raw(prog);
    attr.link_create.__bindgen_anon_2.target_fd = match target {
        Target::Fd(fd) => raw(fd),
        Target::Interface(index) => index,
        Target::AsLoaded => 0,
    };
    attr.link_create.attach_type = attach_type as u32;
    // SAFETY: this command takes no addresses for these attach types.
    unsafe { bpf_fd(bpf_cmd::BPF_LINK_CREATE, &mut attr) }
}

/// BPF_BTF_LOAD.
pub fn load_btf(blob: &[u8]) -> Result<OwnedFd, Rejected> {
    let mut log = vec![0u8; LOG_SIZE];
    let mut attr = attr();
    attr.__bindgen_anon_7.btf = address(blob.as_ptr());
    attr.__bindgen_anon_7.btf_size = blob.len() as u32;
    attr.__bindgen_anon_7.btf_log_buf = address(log.as_mut_ptr());
    attr.__bindgen_anon_7.btf_log_size = log.len() as u32;
    attr.__bindgen_anon_7.btf_log_level = 1;
    // SAFETY: the kernel reads `blob` and writes to the log, both within the lengths given.
    unsafe { bpf_fd(bpf_cmd::BPF_BTF_LOAD, &mut attr) }.map_err(|error| Rejected::new(error, &log))
}

/// BPF_BTF_GET_FD_BY_ID.
pub fn btf_fd_by_id(id: u32) -> io::Result<OwnedFd> {
    let mut attr = attr();
    attr.__bindgen_anon_6.__bindgen_anon_1.btf_id = id;
    // SAFETY: this command takes no addresses, and returns a new descriptor.
    unsafe { bpf_fd(bpf_cmd::BPF_BTF_GET_FD_BY_ID, &mut attr) }
}

/// BPF_OBJ_GET_INFO_BY_FD on BTF: the blob.
pub fn btf_blob(fd: BorrowedFd<'_>) -> io::Result<Vec<u8>> {
    // The first call says how long it is.
    let mut blob = vec![0; btf_read(fd, &mut [])?];
    let size = btf_read(fd, &mut blob)?;
    blob.truncate(size);
    Ok(blob)
}

/// Fills `blob` as far as it goes, and returns the total size.
fn btf_read(fd: BorrowedFd<'_>, blob: &mut [u8]) -> io::Result<usize> {
    // SAFETY: `bpf_btf_info` is a C struct of integers; all zeros is a value of it.
    let mut info: bpf_btf_info = unsafe { mem::zeroed() };
    info.btf = address(blob.as_mut_ptr());
    info.btf_size = blob.len() as u32;
    let mut attr = attr();
    attr.info.bpf_fd = raw(fd);
    attr.info.info_len = mem::size_of::<bpf_btf_info>() as u32;
    attr.info.info = address(&raw mut info);
    // SAFETY: the kernel reads and writes `info`, and writes at most `btf_size` bytes to `blob`.
    unsafe { bpf(bpf_cmd::BPF_OBJ_GET_INFO_BY_FD, &mut attr) }?;
    Ok(info.btf_size as usize)
}

/// Input of a test run. `data` is the packet, `ctx` the context for program types that need one
/// (raw tracepoints: an array of u64 arguments).
#[derive(Clone, Copy, Debug)]
pub struct TestRun<'a> {
    pub data: &'a [u8],
    pub ctx: &'a [u8],
    pub repeat: u32,
}

/// Output of a test run; `duration` is nanoseconds per repetition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TestResult {
    pub retval: u32,
    pub duration: u32,
}

/// BPF_PROG_TEST_RUN.
pub fn test_run(prog: BorrowedFd<'_>, run: &TestRun<'_>) -> io::Result<TestResult> {
    let mut attr = attr();
    attr.test.prog_fd = raw(prog);
    if !run.data.is_empty() {
        attr.test.data_in = address(run.data.as_ptr());
        attr.test.data_size_in = run.data.len() as u32;
    }
    if !run.ctx.is_empty() {
        attr.test.ctx_in = address(run.ctx.as_ptr());
        attr.test.ctx_size_in = run.ctx.len() as u32;
    }
    attr.test.repeat = run.repeat;
    // SAFETY: the kernel reads `data` and `ctx` within the lengths given, and has nowhere to write but `attr`.
    unsafe { bpf(bpf_cmd::BPF_PROG_TEST_RUN, &mut attr) }?;
    // SAFETY: `test` is the variant that this command has filled.
    let test = unsafe { attr.test };
    Ok(TestResult {
        retval: test.retval,
        duration: test.duration,
    })
}

/// BPF_PROG_TEST_RUN of a syscall program, which gets `ctx` and may write to it; returns the
/// program's result.
pub fn run_syscall_program(prog: BorrowedFd<'_>, ctx: &mut [u8]) -> io::Result<u32> {
    let mut attr = attr();
    attr.test.prog_fd = raw(prog);
    if !ctx.is_empty() {
        attr.test.ctx_in = address(ctx.as_mut_ptr());
        attr.test.ctx_size_in = ctx.len() as u32;
    }
    // SAFETY: the kernel reads `ctx` and writes it back, within the length given, and otherwise
    // writes to `attr`.
    unsafe { bpf(bpf_cmd::BPF_PROG_TEST_RUN, &mut attr) }?;
    // SAFETY: `test` is the variant that this command has filled.
    Ok(unsafe { attr.test }.retval)
}
