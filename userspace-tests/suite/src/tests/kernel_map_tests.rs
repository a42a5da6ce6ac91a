// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel's own tests of LPM maps, compiled by scripts/inputs/tools, which take
//! the map type's number.

use anyhow::Result;

use crate::{
    check, command,
    harness::{Test, Type},
};

macro_rules! test {
    ($name:literal) => {
        Test::both(concat!("kernel_map_test_", $name), |on| {
            passes(on, concat!("lpm_", $name))
        })
    };
}

pub const TESTS: &[Test] = &[
    test!("basic_ops"),
    test!("batch_ops"),
    test!("get_next_key"),
    Test::mtrie("kernel_map_tests_fail_without_the_type", fails),
];

fn passes(on: Type, program: &str) -> Result<()> {
    let number = on.map_type().number().to_string();
    let output = command::succeeds(command::built(program)?.arg(number))?;
    check::holds(output.contains("PASS"), &format!("it says so: {output}"))
}

/// So that a pass means something: the number decides which type they make.
fn fails(_: Type) -> Result<()> {
    for program in ["lpm_basic_ops", "lpm_batch_ops", "lpm_get_next_key"] {
        let output = command::fails(command::built(program)?.arg("1000"))?;
        check::holds(!output.contains("PASS"), &format!("{program}: {output}"))?;
    }
    Ok(())
}
