// SPDX-License-Identifier: MIT OR Apache-2.0
//! Compiles the BPF program with clang; `CLANG=` selects another compiler.

use std::{env, path::PathBuf, process::Command};

const SOURCE: &str = "bpf/count_by_as.bpf.c";
const HEADERS: &str = "../../lpm-mtrie/include";

fn main() {
    println!("cargo::rerun-if-changed={SOURCE}");
    println!("cargo::rerun-if-changed={HEADERS}");
    println!("cargo::rerun-if-env-changed=CLANG");
    let object = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"))
        .join("count_by_as.bpf.o");
    let clang = clang();
    let status = Command::new(&clang)
        .args(["-target", "bpf", "-O2", "-g", "-Wall", "-Werror"])
        .args(["-I", HEADERS])
        // Debian's <asm/types.h> is here; `-target bpf` does not search this directory by default.
        .arg(format!("-I/usr/include/{}-linux-gnu", env::consts::ARCH))
        .args(["-c", SOURCE, "-o"])
        .arg(&object)
        .status()
        .unwrap_or_else(|error| panic!("cannot run {clang}: {error}"));
    assert!(
        status.success(),
        "{clang} could not compile {SOURCE}; it needs clang, libbpf-dev and linux-libc-dev"
    );
}

/// The pinned compiler if it is installed, otherwise `clang`.
fn clang() -> String {
    if let Ok(named) = env::var("CLANG") {
        return named;
    }
    let pinned = "clang-19";
    match Command::new(pinned).arg("--version").output() {
        Ok(_) => pinned.to_owned(),
        Err(_) => "clang".to_owned(),
    }
}
