// SPDX-License-Identifier: MIT OR Apache-2.0
//! For build scripts: compiles DIR/NAME.bpf.c to OUT_DIR/NAME.bpf.o with clang.
//!
//! `CLANG=` names another compiler than clang-19.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{Command, exit},
};

/// Where lpm_mtrie.bpf.h is.
const INCLUDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../lpm-mtrie/include");

/// Compiles every `*.bpf.c` in a directory, relative to the package; ends the build script with a
/// message if one does not compile.
pub fn compile(dir: &str) {
    println!("cargo::rerun-if-changed={dir}");
    println!("cargo::rerun-if-changed={INCLUDE}");
    println!("cargo::rerun-if-env-changed=CLANG");
    if let Err(message) = compile_all(dir) {
        eprintln!("{message}");
        exit(1);
    }
}

fn compile_all(dir: &str) -> Result<(), String> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR: run by cargo only")?);
    let entries = fs::read_dir(dir).map_err(|error| format!("{dir}: {error}"))?;
    for entry in entries {
        let source = entry.map_err(|error| format!("{dir}: {error}"))?.path();
        if source.to_string_lossy().ends_with(".bpf.c") {
            compile_one(&source, &out)?;
        }
    }
    Ok(())
}

fn compile_one(source: &Path, out: &Path) -> Result<(), String> {
    let clang = env::var("CLANG").unwrap_or_else(|_| "clang-19".to_owned());
    let stem = source.file_stem().ok_or("a source without a name")?;
    let object = out.join(stem).with_extension("bpf.o");
    // As bpf/bpf_tracing.h names the architecture whose registers it reads.
    let arch = match env::var("CARGO_CFG_TARGET_ARCH").as_deref() {
        Ok("aarch64") => "arm64",
        _ => "x86",
    };
    let status = Command::new(&clang)
        .arg(format!("-D__TARGET_ARCH_{arch}"))
        .args(["-target", "bpf", "-mcpu=v3", "-O2", "-g", "-Wall", "-Werror"])
        .args(["-I", INCLUDE])
        // asm/types.h of the host: clang has no multiarch directory for the bpf target.
        .arg("-isystem")
        .arg(format!("/usr/include/{}-linux-gnu", env::consts::ARCH))
        .arg("-c")
        .arg(source)
        .arg("-o")
        .arg(&object)
        .status()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                format!("{clang} is missing: install clang-19, or set CLANG to a clang with the bpf target")
            }
            _ => format!("{clang}: {error}"),
        })?;
    if status.success() {
        Ok(())
    } else {
        Err(format!(
            "{clang} did not compile {}: {status}; its headers come from libbpf-dev and linux-libc-dev",
            source.display()
        ))
    }
}
