// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kfunc bpf_lpm_match_len(): the length of the longest match, in programs.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::OnceLock,
};

use anyhow::{Context, Result, bail};
use aya_obj::{
    btf::{Btf, BtfKind},
    generated::{BPF_F_SLEEPABLE, bpf_attach_type, bpf_insn, bpf_prog_type},
};
use libc::{EINVAL, ENOENT};
use raw_bpf::{
    RawMap,
    sys::{
        map::MapAttr,
        prog::{ProgAttr, Rejected, TestRun, load, run_syscall_program, test_run},
    },
};

use crate::{
    check,
    harness::{Test, Type},
    instructions::{EXIT, R0, R1, instruction, load_map, set},
    maps::{self, IPV4, value},
    model::ANY,
    prefix::v4,
};

pub const TESTS: &[Test] = &[
    Test::both("matched_length_is_returned_in_xdp", |on| {
        in_programs(on, XDP)
    }),
    Test::both("matched_length_is_returned_in_tc", |on| in_programs(on, TC)),
    Test::both("matched_length_is_returned_in_a_sleepable_program", |on| {
        in_programs(on, SLEEPABLE)
    }),
    Test::both("matched_length_rejects_wrong_arguments", rejects),
    Test::mtrie(
        "matched_length_rejects_maps_that_the_program_does_not_name",
        rejects_iterated_map,
    ),
];

const XDP: bpf_prog_type = bpf_prog_type::BPF_PROG_TYPE_XDP;
const TC: bpf_prog_type = bpf_prog_type::BPF_PROG_TYPE_SCHED_CLS;
const SLEEPABLE: bpf_prog_type = bpf_prog_type::BPF_PROG_TYPE_SYSCALL;

const R2: u8 = 2;
const R3: u8 = 3;
/// The frame pointer.
const R10: u8 = 10;
/// `BPF_PSEUDO_KFUNC_CALL`.
const KFUNC: u8 = 2;

/// The id of a function in the kernel's BTF.
fn function(name: &str) -> Result<u32> {
    // Reading it takes seconds on a slow kernel.
    static KERNEL: OnceLock<Btf> = OnceLock::new();
    let kernel = match KERNEL.get() {
        Some(kernel) => kernel,
        None => {
            let kernel = Btf::from_sys_fs().context("the kernel's BTF")?;
            KERNEL.get_or_init(|| kernel)
        }
    };
    let id = kernel.id_by_type_name_kind(name, BtfKind::Func);
    id.with_context(|| format!("{name} in the kernel's BTF"))
}

fn kfunc() -> Result<i32> {
    Ok(function("bpf_lpm_match_len")? as i32)
}

/// A program that returns `bpf_lpm_match_len(map, key, size)`, whose key is 8 bytes on its stack.
fn program(kfunc: i32, map: BorrowedFd<'_>, key: &[u8], size: i32) -> Vec<u8> {
    let half = |at: usize| i32::from_ne_bytes(key[at..at + 4].try_into().expect("four bytes"));
    [
        // *(u32 *)(r10 - 8), *(u32 *)(r10 - 4)
        instruction(0x62, R10, 0, -8, half(0)),
        instruction(0x62, R10, 0, -4, half(4)),
        load_map(R1, map),
        // r2 = r10 - 8
        instruction(0xbf, R2, R10, 0, 0),
        instruction(0x07, R2, 0, 0, -8),
        set(R3, size),
        instruction(0x85, 0, KFUNC, 0, kfunc),
        EXIT.to_vec(),
    ]
    .concat()
}

fn instructions(bytes: &[u8]) -> Vec<bpf_insn> {
    bytes
        .chunks(8)
        // SAFETY: an instruction is eight bytes of integers, and so is a chunk.
        .map(|bytes| unsafe { bytes.as_ptr().cast::<bpf_insn>().read_unaligned() })
        .collect()
}

fn load_bytes(prog_type: bpf_prog_type, bytes: &[u8]) -> Result<OwnedFd, Rejected> {
    let insns = instructions(bytes);
    let mut attr = ProgAttr::new(prog_type, &insns);
    if prog_type == SLEEPABLE {
        attr.flags = BPF_F_SLEEPABLE;
    }
    load(&attr)
}

fn run(prog_type: bpf_prog_type, bytes: &[u8]) -> Result<i32> {
    let program = load_bytes(prog_type, bytes)?;
    let result = if prog_type == SLEEPABLE {
        run_syscall_program(program.as_fd(), &mut [])?
    } else {
        let packet = TestRun {
            data: &[0; 64],
            ctx: &[],
            repeat: 1,
        };
        test_run(program.as_fd(), &packet)?.retval
    };
    Ok(result as i32)
}

fn in_programs(on: Type, prog_type: bpf_prog_type) -> Result<()> {
    let kfunc = kfunc()?;
    let map = maps::create(on, IPV4)?;
    let length = |key: &[u8]| run(prog_type, &program(kfunc, map.fd(), key, 8));
    let host = v4([10, 1, 1, 1], 32);
    check::equal(length(&host)?, -ENOENT, "an empty map")?;
    for len in [8, 16, 32] {
        map.update(&v4([10, 1, 1, 1], len), &value(1), ANY)?;
    }
    for (len, expected, what) in [
        (32, 32, "the longest of three"),
        (31, 16, "the next shorter one"),
        (16, 16, "the prefix itself"),
        (15, 8, "the shortest one"),
        (7, -ENOENT, "none is that short"),
        (33, -ENOENT, "an impossible length"),
    ] {
        check::equal(length(&v4([10, 1, 1, 1], len))?, expected, what)?;
    }
    check::equal(length(&v4([11, 0, 0, 0], 32))?, -ENOENT, "no match")?;
    map.update(&v4([0, 0, 0, 0], 0), &value(1), ANY)?;
    check::equal(length(&v4([11, 0, 0, 0], 32))?, 0, "the default route")
}

fn rejects(on: Type) -> Result<()> {
    let kfunc = kfunc()?;
    let key = v4([10, 1, 1, 1], 32);
    let map = maps::create(on, IPV4)?;
    map.update(&key, &value(1), ANY)?;
    let short = run(TC, &program(kfunc, map.fd(), &key, 7))?;
    check::equal(short, -EINVAL, "a key of another size")?;
    let hash = RawMap::create(&MapAttr {
        map_type: 1,
        key_size: 8,
        value_size: 8,
        max_entries: 1,
        ..MapAttr::default()
    })?;
    let other = run(TC, &program(kfunc, hash.fd(), &key, 8))?;
    check::equal(other, -EINVAL, "a map of another type")?;
    for (size, text) in [(9, "stack"), (-1, "negative")] {
        match load_bytes(TC, &program(kfunc, map.fd(), &key, size)) {
            Err(rejected) if rejected.log.contains(text) => {}
            Err(rejected) => bail!("{text:?} expected in the log: {rejected}"),
            Ok(_) => bail!("a key of {size} bytes on a stack of 8 was accepted"),
        }
    }
    Ok(())
}

/// An iterator over all maps has a trusted pointer to each, also to those that were made for other
/// programs only.
fn rejects_iterated_map(_on: Type) -> Result<()> {
    let insns = instructions(
        &[
            // r1 = ((struct bpf_iter__bpf_map *)ctx)->map
            instruction(0x79, R1, R1, 8, 0),
            // if r1 == 0 goto +5
            instruction(0x15, R1, 0, 5, 0),
            // *(u64 *)(r10 - 8) = 0
            instruction(0x7a, R10, 0, -8, 0),
            // r2 = r10 - 8
            instruction(0xbf, R2, R10, 0, 0),
            instruction(0x07, R2, 0, 0, -8),
            set(R3, 8),
            instruction(0x85, 0, KFUNC, 0, kfunc()?),
            set(R0, 0),
            EXIT.to_vec(),
        ]
        .concat(),
    );
    let mut attr = ProgAttr::new(bpf_prog_type::BPF_PROG_TYPE_TRACING, &insns);
    attr.expected_attach_type = Some(bpf_attach_type::BPF_TRACE_ITER);
    attr.attach_btf_id = function("bpf_iter_bpf_map")?;
    match load(&attr) {
        Err(rejected) if rejected.log.contains("isn't map pointer") => Ok(()),
        Err(rejected) => bail!("rejected for another reason: {rejected}"),
        Ok(_) => bail!("a program may look into each map of the system"),
    }
}
