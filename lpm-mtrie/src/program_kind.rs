// SPDX-License-Identifier: MIT OR Apache-2.0
//! What BPF_PROG_LOAD must know about a program, from its section in the object.

use aya_obj::{
    ProgramSection,
    generated::{BPF_F_SLEEPABLE, bpf_attach_type, bpf_prog_type},
    programs::CgroupSkbAttachType,
};

/// A program's type and related attributes.
#[derive(Clone, Copy)]
pub struct Kind {
    pub prog_type: bpf_prog_type,
    /// Its expected attach type.
    pub attach_type: Option<bpf_attach_type>,
    pub flags: u32,
    /// The prefix of its target's name in the name of a kernel function.
    pub target_prefix: &'static str,
}

/// A syscall program may always sleep.
pub const SYSCALL: Kind = Kind {
    flags: BPF_F_SLEEPABLE,
    ..plain(bpf_prog_type::BPF_PROG_TYPE_SYSCALL)
};

/// The kind of program that a section holds, if it is one of those loaded here.
pub fn of(section: &ProgramSection) -> Option<Kind> {
    use bpf_attach_type::*;
    use bpf_prog_type::*;
    Some(match section {
        ProgramSection::SocketFilter => plain(BPF_PROG_TYPE_SOCKET_FILTER),
        ProgramSection::SchedClassifier => plain(BPF_PROG_TYPE_SCHED_CLS),
        ProgramSection::Xdp { frags: false, .. } => attached(BPF_PROG_TYPE_XDP, BPF_XDP),
        ProgramSection::CgroupSkb { attach_type } => attached(
            BPF_PROG_TYPE_CGROUP_SKB,
            match attach_type {
                Some(CgroupSkbAttachType::Egress) => BPF_CGROUP_INET_EGRESS,
                Some(CgroupSkbAttachType::Ingress) | None => BPF_CGROUP_INET_INGRESS,
            },
        ),
        ProgramSection::KProbe | ProgramSection::KRetProbe => plain(BPF_PROG_TYPE_KPROBE),
        ProgramSection::TracePoint => plain(BPF_PROG_TYPE_TRACEPOINT),
        ProgramSection::RawTracePoint => plain(BPF_PROG_TYPE_RAW_TRACEPOINT),
        ProgramSection::PerfEvent => plain(BPF_PROG_TYPE_PERF_EVENT),
        ProgramSection::FEntry { sleepable } => {
            attached(BPF_PROG_TYPE_TRACING, BPF_TRACE_FENTRY).sleepable(*sleepable)
        }
        ProgramSection::FExit { sleepable } => {
            attached(BPF_PROG_TYPE_TRACING, BPF_TRACE_FEXIT).sleepable(*sleepable)
        }
        ProgramSection::Iter { sleepable } => {
            targeted(BPF_PROG_TYPE_TRACING, BPF_TRACE_ITER, "bpf_iter_").sleepable(*sleepable)
        }
        ProgramSection::Lsm { sleepable } => {
            targeted(BPF_PROG_TYPE_LSM, BPF_LSM_MAC, "bpf_lsm_").sleepable(*sleepable)
        }
        _ => return None,
    })
}

const fn plain(prog_type: bpf_prog_type) -> Kind {
    Kind {
        prog_type,
        attach_type: None,
        flags: 0,
        target_prefix: "",
    }
}

const fn attached(prog_type: bpf_prog_type, attach_type: bpf_attach_type) -> Kind {
    targeted(prog_type, attach_type, "")
}

const fn targeted(
    prog_type: bpf_prog_type,
    attach_type: bpf_attach_type,
    target_prefix: &'static str,
) -> Kind {
    Kind {
        attach_type: Some(attach_type),
        target_prefix,
        ..plain(prog_type)
    }
}

impl Kind {
    const fn sleepable(mut self, yes: bool) -> Self {
        if yes {
            self.flags = BPF_F_SLEEPABLE;
        }
        self
    }
}
