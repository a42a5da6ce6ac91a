// SPDX-License-Identifier: MIT OR Apache-2.0
//! A map's life cycle, step by step: what userspace does, how the map's counters change,
//! and which kernel functions change them.
//!
//! Everything shown is observed: the counters are read inside the kernel, the functions
//! come from its function tracer, and a step with a different result ends the tour with
//! an error.

mod story;

use std::{io::Write, os::fd::AsFd};

use anyhow::{Context, Result};
use aya_obj::generated::bpf_attach_type::BPF_TCX_INGRESS;
use lpm_mtrie::Loader;
use raw_bpf::{
    sys,
    sys::prog::{Target, link_create},
};

use self::story::{Act, Counts, Story};
use crate::{
    harness::Type,
    maps::{self, IPV4},
    objects,
    tests::pinning::Pin,
};

/// Runs the tour and prints it to `out`.
pub fn run(on: Type, out: &mut dyn Write) -> Result<()> {
    writeln!(
        out,
        "The life cycle of a BPF map. No call deletes a map; it is freed with its last reference.\n\
         refcnt counts all references; usercnt those through which userspace can reach the map.\n\
         module is the reference count of the type's module: one per map.\n\
         If a function is inlined, its caller is shown instead.\n"
    )?;
    let mut story = Story::new(out)?;

    let map = story.create("bpf(BPF_MAP_CREATE): create a map", || {
        maps::create(on, IPV4)
    })?;
    let mut step = |title: &str, counts: Counts, functions: &[&str], why: &str, act: Act<'_>| {
        story.step(title, counts, functions, why, act)
    };

    let mut same = None;
    step(
        "dup(): a second descriptor",
        (1, 1),
        &[],
        "Both descriptors refer to one open file, which has one reference to the map.",
        &mut || {
            same = Some(map.fd().try_clone_to_owned()?);
            Ok(())
        },
    )?;
    step(
        "close() of the second descriptor",
        (1, 1),
        &[],
        "The open file still exists.",
        &mut || {
            drop(same.take());
            Ok(())
        },
    )?;

    let pin = Pin::new("tour");
    step(
        "bpf(BPF_OBJ_PIN): pin it to /sys/fs/bpf/tour",
        (2, 2),
        &["bpf_map_get_with_uref"],
        "A pin is a separate file, which would outlive this process.",
        &mut || {
            sys::obj_pin(map.fd(), pin.path())?;
            Ok(())
        },
    )?;
    let mut got = None;
    step(
        "bpf(BPF_OBJ_GET): open the pin",
        (3, 3),
        &["bpf_map_inc_with_uref", "bpf_map_new_fd"],
        "Unlike dup(), this creates a new open file.",
        &mut || {
            got = Some(sys::obj_get(pin.path(), 0)?);
            Ok(())
        },
    )?;
    step(
        "close() of that descriptor",
        (2, 2),
        &["bpf_map_release", "bpf_map_put"],
        "The pin and the first descriptor remain.",
        &mut || {
            drop(got.take());
            Ok(())
        },
    )?;
    let id = sys::map::info(map.fd())?.id;
    step(
        "bpf(BPF_MAP_GET_FD_BY_ID): open it by its id",
        (3, 3),
        &["bpf_map_get_fd_by_id"],
        "An id is not a reference, so the map may already be about to be freed.",
        &mut || {
            got = Some(sys::map::fd_by_id(id)?);
            Ok(())
        },
    )?;
    step(
        "close() of that descriptor",
        (2, 2),
        &["bpf_map_release", "bpf_map_put"],
        "However it was opened, an open file counts once in both counters.",
        &mut || {
            drop(got.take());
            Ok(())
        },
    )?;

    let mut object = Loader::new()
        .reuse("lpm", map.fd().try_clone_to_owned()?)
        .load(objects::SHARED)?;
    let (mut ignoring, mut program, mut link) = (None, None, None);
    step(
        "bpf(BPF_PROG_LOAD): load a program that does not use the map",
        (2, 2),
        &[],
        "That map and program come from the same object file does not matter to the kernel.",
        &mut || {
            ignoring = Some(object.load_program("ignore")?);
            Ok(())
        },
    )?;
    step(
        "bpf(BPF_PROG_LOAD): load a program that looks up keys in the map",
        (3, 2),
        &["bpf_map_inc"],
        "The verifier found the map in an instruction. Programs do not count in usercnt.",
        &mut || {
            program = Some(object.load_program("count")?);
            Ok(())
        },
    )?;
    step(
        "bpf(BPF_LINK_CREATE): attach the program to lo",
        (3, 2),
        &[],
        "The link references the program, and the program the map.",
        &mut || {
            let program = program.as_ref().context("the program is loaded")?;
            let lo = Target::Interface(1);
            link = Some(link_create(program.as_fd(), lo, BPF_TCX_INGRESS)?);
            Ok(())
        },
    )?;
    step(
        "close() of the program",
        (3, 2),
        &[],
        "The link keeps the program loaded.",
        &mut || {
            drop(program.take());
            Ok(())
        },
    )?;
    let mut map = Some(map);
    step(
        "close() of the map's own descriptors",
        (2, 1),
        &["bpf_map_release", "bpf_map_put"],
        "No descriptor remains; the pin and the program reference the map.",
        &mut || {
            drop(object.take_map("lpm")?);
            drop(map.take());
            Ok(())
        },
    )?;
    step(
        "unlink() of the pin",
        (1, 0),
        &["bpf_destroy_inode", "bpf_map_put_with_uref"],
        "Userspace can reach the map only by id; packets on lo are still looked up in it.",
        &mut || {
            pin.remove();
            Ok(())
        },
    )?;
    story.end(
        "close() of the link: the last reference to the program, and so to the map",
        || {
            drop(link.take());
            Ok(())
        },
    )?;
    drop(ignoring);
    story.told_all()
}
