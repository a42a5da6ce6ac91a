// SPDX-License-Identifier: MIT OR Apache-2.0
//! Compiles the BPF program next to main.rs.

fn main() {
    bpf_build::compile("src");
}
