// SPDX-License-Identifier: MIT OR Apache-2.0
//! A program that finds the longest match of a key in one map, with its length.
//!
//! BPF_MAP_LOOKUP_ELEM returns the value of the longest match, but not its length. If the kernel
//! has the kfunc `bpf_lpm_match_len`, a syscall program asks for the length, looks up the prefix of
//! that length, copies its value, and asks for the length again: if that is the same, both belong
//! together, and if not, it starts over.
//!
//! The program's context contains the key, which the value then replaces.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use aya_obj::generated::{BPF_F_SLEEPABLE, bpf_insn, bpf_prog_type};

use crate::{
    Error, kernel,
    lpm_map::ENOTSUPP,
    raw_key::RawKey,
    sys::{
        self,
        prog::{ProgAttr, Rejected, load, run_syscall_program},
    },
};

/// How often the program starts over before it gives up with -EAGAIN; the verifier follows each
/// iteration.
const TRIES_IN_PROGRAM: i32 = 8;
/// How often the program is run before the library gives up.
const RUNS: u32 = 64;
/// The largest context of a syscall program.
const MAX_CONTEXT: usize = u16::MAX as usize;

/// The program, loaded for one map.
#[derive(Debug)]
pub(crate) struct Matcher {
    program: OwnedFd,
    context_size: usize,
    value_size: usize,
}

impl Matcher {
    /// `None` if the kernel lacks the kfunc or a JIT, the caller may not load such programs, or the
    /// map's values do not fit into a context.
    pub fn load(
        map: BorrowedFd<'_>,
        key_size: usize,
        value_size: usize,
    ) -> Result<Option<Self>, Error> {
        let context_size = key_size.next_multiple_of(8).max(value_size);
        if context_size > MAX_CONTEXT {
            return Ok(None);
        }
        let Some(kfunc) = kernel::match_len() else {
            return Ok(None);
        };
        let insns = program(
            sys::raw(map) as i32,
            kfunc as i32,
            key_size as i32,
            value_size as i32,
        );
        let attr = ProgAttr {
            name: "lpm_match",
            license: c"Dual MIT/GPL",
            flags: BPF_F_SLEEPABLE,
            ..ProgAttr::new(bpf_prog_type::BPF_PROG_TYPE_SYSCALL, &insns)
        };
        match load(&attr) {
            Ok(program) => Ok(Some(Self {
                program,
                context_size,
                value_size,
            })),
            Err(rejected) if is_not_for_us(&rejected) => Ok(None),
            Err(Rejected { error, .. }) if is_not_its_fault(&error) => Err(Error::call(
                "load the program that finds the length of a match",
            )(error)),
            Err(rejected) => Err(rejected.into()),
        }
    }

    /// The length and the value of the longest match of `key`.
    pub fn longest(&self, key: &RawKey) -> Result<Option<(u32, Vec<u8>)>, Error> {
        let what = "run the program that finds the length of a match";
        for _ in 0..RUNS {
            let mut context = vec![0; self.context_size];
            context[..key.bytes().len()].copy_from_slice(key.bytes());
            let answer = run_syscall_program(self.program.as_fd(), &mut context)
                .map_err(Error::call(what))?;
            match answer as i32 {
                len @ 0.. => {
                    context.truncate(self.value_size);
                    return Ok(Some((len as u32, context)));
                }
                error if error == -libc::ENOENT => return Ok(None),
                error if error == -libc::EAGAIN => {}
                error => return Err(Error::call(what)(io::Error::from_raw_os_error(-error))),
            }
        }
        Err(Error::Busy)
    }
}

/// Without CAP_BPF the load fails with -EPERM, and without a JIT with
/// -ENOTSUPP; without CAP_PERFMON, or locked down, the kernel does not let the
/// program copy a value. A map may be for another program only.
fn is_not_for_us(rejected: &Rejected) -> bool {
    matches!(rejected.error.raw_os_error(), Some(libc::EPERM | ENOTSUPP))
        || ["cannot use helper", "excl_prog_hash"]
            .iter()
            .any(|reason| rejected.log.contains(reason))
}

/// The verifier did not get to a verdict on the program.
fn is_not_its_fault(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::ENOMEM | libc::EAGAIN | libc::EINTR | libc::EMFILE | libc::ENFILE)
    )
}

/// Returns the length, or a negative errno.
fn program(map: i32, kfunc: i32, key_size: i32, value_size: i32) -> Vec<bpf_insn> {
    const LOOKUP_ELEM: i32 = 1;
    const PROBE_READ_KERNEL: i32 = 113;
    let mut program = Assembler::default();
    let mut out = vec![];
    let mut retry = vec![];
    // Where the key is, below the frame pointer.
    let key_at = -(key_size as u16).next_multiple_of(8).cast_signed();

    program.mov(6, 1); // r6: the context
    for at in (0..-key_at).step_by(8) {
        program.load64(0, 6, at);
        program.store64(10, key_at + at, 0);
    }
    program.load32(7, 10, key_at); // r7: how much of the key counts
    program.mov_imm(9, TRIES_IN_PROGRAM); // r9: tries left
    let again = program.here();
    program.store32(10, key_at, 7);
    program.match_len(map, kfunc, key_at, key_size);
    out.push(program.jump32(op::JSLT, 0, 0));
    program.mov(8, 0); // r8: the length of the match
    program.store32(10, key_at, 8);
    program.map_and_key(map, key_at);
    program.call(LOOKUP_ELEM);
    retry.push(program.jump64(op::JEQ, 0, 0));
    program.mov(3, 0);
    program.mov(1, 6);
    program.mov_imm(2, value_size);
    program.call(PROBE_READ_KERNEL);
    out.push(program.jump32(op::JSLT, 0, 0));
    program.store32(10, key_at, 7);
    program.match_len(map, kfunc, key_at, key_size);
    // If the second length equals the first, it is the result.
    out.push(program.jump32_reg(op::JEQ, 0, 8));
    for jump in retry {
        program.land(jump);
    }
    program.add_imm(9, -1);
    program.jump_back(op::JNE, 9, again);
    program.mov_imm(0, -libc::EAGAIN);
    for jump in out {
        program.land(jump);
    }
    program.exit();
    program.0
}

/// Opcodes of `include/uapi/linux/bpf.h` and `bpf_common.h`.
mod op {
    pub const LD_IMM64: u8 = 0x18;
    pub const LDX_W: u8 = 0x61;
    pub const LDX_DW: u8 = 0x79;
    pub const STX_W: u8 = 0x63;
    pub const STX_DW: u8 = 0x7b;
    pub const MOV64_K: u8 = 0xb7;
    pub const MOV64_X: u8 = 0xbf;
    pub const ADD64_K: u8 = 0x07;
    pub const CALL: u8 = 0x85;
    pub const EXIT: u8 = 0x95;
    /// Classes of jumps, and bits in them.
    pub const JMP: u8 = 0x05;
    pub const JMP32: u8 = 0x06;
    pub const REGISTER: u8 = 0x08;
    pub const JEQ: u8 = 0x10;
    pub const JNE: u8 = 0x50;
    pub const JSLT: u8 = 0xc0;
    pub const PSEUDO_MAP_FD: u8 = 1;
    pub const PSEUDO_KFUNC_CALL: u8 = 2;
}

/// A sequence of instructions.
#[derive(Default)]
struct Assembler(Vec<bpf_insn>);

/// A jump forward that has no target yet.
struct Jump(usize);

impl Assembler {
    fn push(&mut self, code: u8, dst: u8, src: u8, off: i16, imm: i32) {
        // SAFETY: `bpf_insn` is a C struct of integers; all zeros is a value of it.
        let mut insn: bpf_insn = unsafe { std::mem::zeroed() };
        insn.code = code;
        insn.set_dst_reg(dst);
        insn.set_src_reg(src);
        insn.off = off;
        insn.imm = imm;
        self.0.push(insn);
    }

    fn here(&self) -> usize {
        self.0.len()
    }

    fn mov(&mut self, dst: u8, src: u8) {
        self.push(op::MOV64_X, dst, src, 0, 0);
    }

    fn mov_imm(&mut self, dst: u8, imm: i32) {
        self.push(op::MOV64_K, dst, 0, 0, imm);
    }

    fn add_imm(&mut self, dst: u8, imm: i32) {
        self.push(op::ADD64_K, dst, 0, 0, imm);
    }

    fn load32(&mut self, dst: u8, from: u8, off: i16) {
        self.push(op::LDX_W, dst, from, off, 0);
    }

    fn load64(&mut self, dst: u8, from: u8, off: i16) {
        self.push(op::LDX_DW, dst, from, off, 0);
    }

    fn store32(&mut self, to: u8, off: i16, src: u8) {
        self.push(op::STX_W, to, src, off, 0);
    }

    fn store64(&mut self, to: u8, off: i16, src: u8) {
        self.push(op::STX_DW, to, src, off, 0);
    }

    /// r1: the map; r2: the key on the stack.
    fn map_and_key(&mut self, map: i32, key_at: i16) {
        self.push(op::LD_IMM64, 1, op::PSEUDO_MAP_FD, 0, map);
        self.push(0, 0, 0, 0, 0);
        self.mov(2, 10);
        self.add_imm(2, key_at.into());
    }

    fn call(&mut self, helper: i32) {
        self.push(op::CALL, 0, 0, 0, helper);
    }

    /// r0: the kfunc's result for the key.
    fn match_len(&mut self, map: i32, kfunc: i32, key_at: i16, key_size: i32) {
        self.map_and_key(map, key_at);
        self.mov_imm(3, key_size);
        self.push(op::CALL, 0, op::PSEUDO_KFUNC_CALL, 0, kfunc);
    }

    fn jump32(&mut self, condition: u8, dst: u8, imm: i32) -> Jump {
        self.push(op::JMP32 | condition, dst, 0, 0, imm);
        Jump(self.here() - 1)
    }

    fn jump64(&mut self, condition: u8, dst: u8, imm: i32) -> Jump {
        self.push(op::JMP | condition, dst, 0, 0, imm);
        Jump(self.here() - 1)
    }

    fn jump32_reg(&mut self, condition: u8, dst: u8, src: u8) -> Jump {
        self.push(op::JMP32 | condition | op::REGISTER, dst, src, 0, 0);
        Jump(self.here() - 1)
    }

    /// Jumps to `target` unless `dst` is 0.
    fn jump_back(&mut self, condition: u8, dst: u8, target: usize) {
        let off = target as i16 - self.here() as i16 - 1;
        self.push(op::JMP | condition, dst, 0, off, 0);
    }

    /// Lets a jump end here.
    fn land(&mut self, jump: Jump) {
        self.0[jump.0].off = (self.here() - jump.0 - 1) as i16;
    }

    fn exit(&mut self) {
        self.push(op::EXIT, 0, 0, 0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_jump_ends_inside_the_program_and_not_in_a_constant() {
        let insns = program(3, 4, 20, 4);
        let jumps = insns
            .iter()
            .enumerate()
            .filter(|(_, insn)| matches!(insn.code & 7, 5 | 6))
            .filter(|(_, insn)| insn.code != op::CALL && insn.code != op::EXIT);
        let mut seen = 0;
        for (at, insn) in jumps {
            let target = (at as i64 + 1 + i64::from(insn.off)) as usize;
            assert!(target < insns.len(), "{at}");
            assert_ne!(insns[target].code, 0, "{at}: the second half of a constant");
            seen += 1;
        }
        assert_eq!(seen, 5);
        assert_eq!(insns.last().unwrap().code, op::EXIT);
    }

    #[test]
    fn kfunc_and_map_are_marked_as_such() {
        let insns = program(3, 77, 8, 4);
        let kfuncs = insns
            .iter()
            .filter(|insn| insn.code == op::CALL && insn.src_reg() == op::PSEUDO_KFUNC_CALL);
        assert_eq!(kfuncs.map(|insn| insn.imm).collect::<Vec<_>>(), [77, 77]);
        let maps = insns.iter().filter(|insn| insn.code == op::LD_IMM64);
        assert!(
            maps.clone()
                .all(|insn| insn.src_reg() == 1 && insn.imm == 3)
        );
        assert_eq!(maps.count(), 3);
    }
}
