// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which registrations the registry of map types refuses, and that it logs why.

use std::fs;

use anyhow::{Context, Result};
use libc::{EBUSY, EINVAL};

use super::{
    module::{loaded_and_idle, removed},
    module_life::use_a_map,
};
use crate::{
    check,
    harness::{Test, Type},
    kernel_log::KernelLog,
    kernel_module as module,
};

pub const TESTS: &[Test] = &[
    Test::mtrie("module_second_registration_is_refused", second),
    Test::mtrie(
        "module_registration_of_an_undeclared_number_is_refused",
        undeclared,
    ),
    Test::mtrie(
        "module_registration_of_a_built_in_type_is_refused",
        built_in,
    ),
    Test::mtrie("module_registration_without_an_op_is_refused", incomplete),
    Test::mtrie(
        "module_registration_with_an_op_that_the_core_cannot_serve_is_refused",
        unserved,
    ),
    Test::mtrie("module_registration_without_an_owner_is_refused", no_owner),
    Test::mtrie(
        "module_registration_with_a_foreign_owner_is_refused",
        foreign_owner,
    ),
    Test::mtrie(
        "module_registration_with_a_type_of_its_own_is_refused",
        own_btf_id,
    ),
];

const NAME: &str = "bpf_test_map_claim";

/// The registry's answer to a claim, and what the kernel logged meanwhile.
struct Answer {
    errno: i32,
    log: String,
}

impl Answer {
    fn of(parameters: &str) -> Result<Self> {
        let mut log = KernelLog::from_now_on()?;
        module::insert_test_module(NAME, parameters)?;
        let path = format!("/sys/module/{NAME}/parameters/answer");
        let answer = fs::read_to_string(&path).with_context(|| path.clone())?;
        check::ok(
            module::remove_by_name(c"bpf_test_map_claim"),
            "removal of the module that claims",
        )?;
        Ok(Self {
            errno: -answer.trim().parse::<i32>().context(path)?,
            log: log.read()?,
        })
    }

    /// Checks that it is this errno, and that a line of the log contains `word`.
    fn is(&self, errno: i32, word: &str, what: &str) -> Result<()> {
        check::equal(self.errno, errno, &format!("the errno of {what}"))?;
        check::holds(
            self.log.lines().any(|line| line.contains(word)),
            &format!(
                "{what} is logged with the word {word:?}; the log has {:?}",
                self.log
            ),
        )
    }
}

fn second(on: Type) -> Result<()> {
    let number = on.map_type().number();
    if !module::is_built_in() {
        removed(on)?;
        let first = Answer::of(&format!("type={number}"))?;
        check::equal(first.errno, 0, "the first registration")?;
        loaded_and_idle(on)?;
    }
    let second = Answer::of(&format!("type={number}"))?;
    check::equal(second.errno, EBUSY, "a second one")?;
    // The claimant has unregistered the type, which was not its own.
    use_a_map(on)
}

fn undeclared(on: Type) -> Result<()> {
    let number = on.map_type().number();
    // The next number is reserved for the kernel's own tests.
    for undeclared in [0, number + 2, 1000, u32::MAX] {
        Answer::of(&format!("type={undeclared}"))?.is(
            EINVAL,
            &format!("{} is not", undeclared as i32),
            &format!("the claim of number {undeclared}"),
        )?;
    }
    Ok(())
}

fn built_in(_: Type) -> Result<()> {
    for (name, number) in [("HASH", 1), ("LPM_TRIE", 11), ("ARENA", 33)] {
        Answer::of(&format!("type={number}"))?.is(
            EINVAL,
            &format!("{number} is not"),
            &format!("the claim of {name}"),
        )?;
    }
    Ok(())
}

/// The same claim is granted without `flaw`, and refused with it.
fn flawed(on: Type, flaw: &str, word: &str, what: &str) -> Result<()> {
    let number = on.map_type().number();
    let fine = Answer::of(&format!("type={number}"))?;
    check::equal(fine.errno, 0, "the errno of a claim without a flaw")?;
    Answer::of(&format!("type={number} {flaw}"))?.is(EINVAL, word, what)
}

fn incomplete(on: Type) -> Result<()> {
    removed(on)?;
    for op in [
        "map_alloc",
        "map_free",
        "map_get_next_key",
        "map_lookup_elem",
        "map_update_elem",
        "map_delete_elem",
        "map_mem_usage",
    ] {
        flawed(
            on,
            &format!("without={op}"),
            op,
            &format!("ops without {op}"),
        )?;
    }
    loaded_and_idle(on)
}

/// The core would not call them, or would break, because they are for its own types.
fn unserved(on: Type) -> Result<()> {
    removed(on)?;
    for op in [
        "map_gen_lookup",
        "map_direct_value_addr",
        "map_direct_value_meta",
        "map_mmap",
        "map_get_unmapped_area",
        "map_poke_track",
        "map_poke_untrack",
        "map_poke_run",
        "map_fd_get_ptr",
        "map_fd_put_ptr",
        "map_fd_sys_lookup_elem",
        "map_redirect",
    ] {
        flawed(
            on,
            &format!("with={op}"),
            "never_called",
            &format!("ops with {op}"),
        )?;
    }
    loaded_and_idle(on)
}

fn no_owner(on: Type) -> Result<()> {
    removed(on)?;
    flawed(
        on,
        "owner=none",
        "owner",
        "ops of a module without an owner",
    )?;
    loaded_and_idle(on)
}

fn foreign_owner(on: Type) -> Result<()> {
    removed(on)?;
    flawed(
        on,
        "owner=foreign",
        "owner",
        "ops with another module as owner",
    )?;
    loaded_and_idle(on)
}

/// The verifier would look the type up in vmlinux, when a program reads a field of the map.
fn own_btf_id(on: Type) -> Result<()> {
    removed(on)?;
    flawed(
        on,
        "own_btf_id=1",
        "map_btf_id",
        "ops whose map_btf_id is not that of struct bpf_map",
    )?;
    loaded_and_idle(on)
}
