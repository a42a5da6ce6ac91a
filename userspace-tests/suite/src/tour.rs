// SPDX-License-Identifier: MIT OR Apache-2.0
//! A map's life as a story: what userspace does, what it does to the map's
//! counters, and which kernel functions did that.
//!
//! Nothing is told that was not seen: the counters come from inside the
//! kernel, the functions from its function tracer, and a step that does not
//! go as told ends the tour with an error.

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

/// Tells it to `out`.
pub fn run(on: Type, out: &mut dyn Write) -> Result<()> {
    writeln!(
        out,
        "The life of a BPF map. A map is not deleted; it goes when nothing holds it.\n\
         refcnt counts all that holds it; usercnt those that userspace can reach it by.\n\
         module counts what holds the module behind the type: one for each map.\n\
         A function that the compiler put into its caller shows as that caller.\n"
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
        "Both numbers name one open file; only that file holds the map.",
        &mut || {
            same = Some(map.fd().try_clone_to_owned()?);
            Ok(())
        },
    )?;
    step(
        "close() of the second descriptor",
        (1, 1),
        &[],
        "The open file is still there.",
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
        "A pin is a file of its own. It would outlive this process.",
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
        "No dup: a new open file.",
        &mut || {
            got = Some(sys::obj_get(pin.path(), 0)?);
            Ok(())
        },
    )?;
    step(
        "close() of what that opened",
        (2, 2),
        &["bpf_map_release", "bpf_map_put"],
        "The pin and the first descriptor are left.",
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
        "An id holds nothing, so the map may be on its way out.",
        &mut || {
            got = Some(sys::map::fd_by_id(id)?);
            Ok(())
        },
    )?;
    step(
        "close() of what that opened",
        (2, 2),
        &["bpf_map_release", "bpf_map_put"],
        "However it was opened, an open file holds the map by one of each.",
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
        "bpf(BPF_PROG_LOAD): load a program that does not touch the map",
        (2, 2),
        &[],
        "That map and program come from one object file means nothing to the kernel.",
        &mut || {
            ignoring = Some(object.load_program("ignore")?);
            Ok(())
        },
    )?;
    step(
        "bpf(BPF_PROG_LOAD): load a program that looks up in it",
        (3, 2),
        &["bpf_map_inc"],
        "The verifier found the map in an instruction. A program is no user.",
        &mut || {
            program = Some(object.load_program("count")?);
            Ok(())
        },
    )?;
    step(
        "bpf(BPF_LINK_CREATE): attach the program to lo",
        (3, 2),
        &[],
        "The link holds the program, the program the map.",
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
        "Its link keeps it.",
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
        "No descriptor is left; the pin and the program hold it.",
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
        "Userspace has no way to it but the id; packets on lo still go through it.",
        &mut || {
            pin.remove();
            Ok(())
        },
    )?;
    story.end(
        "close() of the link: nothing holds the program, nothing the map",
        || {
            drop(link.take());
            Ok(())
        },
    )?;
    drop(ignoring);
    story.told_all()
}
