// SPDX-License-Identifier: MIT OR Apache-2.0
//! Helpers that the type does not support are rejected at load, and the log says why.

use anyhow::{Result, bail};
use libc::EINVAL;
use lpm_mtrie::{Loader, ObjectError};

use crate::{
    check,
    harness::{Test, Type},
    objects,
};

pub const TESTS: &[Test] = &[Test::mtrie(
    "helpers_that_the_type_lacks_are_refused",
    refused,
)];

/// The verifier's messages about helpers that it rejects before it looks at the map's type.
const SAID_EARLIER: [(&str, &str); 1] = [("tail_call", "expected prog array map for tail call")];

fn refused(on: Type) -> Result<()> {
    let object = Loader::new()
        .lpm_type(on.map_type())
        .load(objects::REFUSED)?;
    let helpers = object.programs();
    check::equal(helpers.len(), 18, "programs in bpf/refused.bpf.c")?;
    let mut wrong = vec![];
    for helper in helpers {
        let text = match SAID_EARLIER.iter().find(|row| row.0 == helper) {
            Some((_, text)) => (*text).to_owned(),
            None => {
                let number = on.map_type().number();
                format!("cannot pass map_type {number} into func bpf_{helper}#")
            }
        };
        match object.load_program(helper) {
            Err(ObjectError::Program { source, .. })
                if source.error.raw_os_error() == Some(EINVAL) && source.log.contains(&text) => {}
            Err(error) => wrong.push(format!("EINVAL and {text:?} expected: {error}")),
            Ok(_) => wrong.push(format!("a program that calls {helper} was accepted")),
        }
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        bail!("{}", wrong.join("\n"))
    }
}
