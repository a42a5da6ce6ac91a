// SPDX-License-Identifier: MIT OR Apache-2.0
//! Helpers that the type does not support: rejected at load, and the log says why.

use anyhow::{Result, bail};
use libc::EINVAL;
use lpm_mtrie::{Loader, ObjectError};

use crate::{
    check,
    harness::{Test, Type},
    objects,
};

pub const TESTS: &[Test] = &[Test::mtrie("helpers_refused", refused)];

/// ENOTSUPP of the kernel, which has no name in userspace.
const ENOTSUPP: i32 = 524;

/// What the verifier says of two helpers before it asks the map's type.
const SAID_EARLIER: [(&str, i32, &str); 2] = [
    (
        "for_each_map_elem",
        ENOTSUPP,
        "callback function not allowed for map",
    ),
    ("tail_call", EINVAL, "expected prog array map for tail call"),
];

fn refused(on: Type) -> Result<()> {
    let object = Loader::new()
        .lpm_type(on.map_type())
        .load(objects::REFUSED)?;
    let helpers = object.programs();
    check::equal(helpers.len(), 19, "programs in bpf/refused.bpf.c")?;
    let mut wrong = vec![];
    for helper in helpers {
        let (errno, text) = match SAID_EARLIER.iter().find(|row| row.0 == helper) {
            Some((_, errno, text)) => (*errno, (*text).to_owned()),
            None => {
                let number = on.map_type().number();
                let text = format!("cannot pass map_type {number} into func bpf_{helper}#");
                (EINVAL, text)
            }
        };
        match object.load_program(helper) {
            Err(ObjectError::Program { source, .. })
                if source.error.raw_os_error() == Some(errno) && source.log.contains(&text) => {}
            Err(error) => wrong.push(format!("errno {errno} and {text:?} expected: {error}")),
            Ok(_) => wrong.push(format!("a program that calls {helper} was accepted")),
        }
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        bail!("{}", wrong.join("\n"))
    }
}
