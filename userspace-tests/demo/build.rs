// SPDX-License-Identifier: MIT OR Apache-2.0
//! Compiles the BPF programs of bpf/.

fn main() {
    bpf_build::compile("bpf");
}
