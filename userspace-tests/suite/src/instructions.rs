// SPDX-License-Identifier: MIT OR Apache-2.0
//! BPF instructions as bytes; see the kernel's
//! Documentation/bpf/standardization/instruction-set.rst.

use std::os::fd::{AsRawFd, BorrowedFd};

pub const R0: u8 = 0;
pub const R1: u8 = 1;

/// `BPF_PSEUDO_MAP_FD`.
const MAP_FD: u8 = 1;

/// One instruction.
pub fn instruction(code: u8, dst: u8, src: u8, offset: i16, imm: i32) -> Vec<u8> {
    let mut bytes = vec![code, src << 4 | dst];
    bytes.extend(offset.to_ne_bytes());
    bytes.extend(imm.to_ne_bytes());
    bytes
}

pub const EXIT: [u8; 8] = [0x95, 0, 0, 0, 0, 0, 0, 0];

/// `dst = imm`
pub fn set(dst: u8, imm: i32) -> Vec<u8> {
    instruction(0xb7, dst, 0, 0, imm)
}

/// `dst = map`
pub fn load_map(dst: u8, map: BorrowedFd<'_>) -> Vec<u8> {
    [
        instruction(0x18, dst, MAP_FD, 0, map.as_raw_fd()),
        instruction(0, 0, 0, 0, 0),
    ]
    .concat()
}
