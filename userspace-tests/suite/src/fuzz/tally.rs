// SPDX-License-Identifier: MIT OR Apache-2.0
//! Counts of calls and programs, by kind and result.

use std::{collections::BTreeMap, fmt};

#[derive(Default)]
pub struct Tally(BTreeMap<&'static str, BTreeMap<i32, u64>>);

impl Tally {
    /// `errno`: 0 for success.
    pub fn count(&mut self, what: &'static str, errno: i32) {
        *self.0.entry(what).or_default().entry(errno).or_default() += 1;
    }

    /// How often `what` succeeded, and how often it failed.
    pub fn of(&self, what: &str) -> (u64, u64) {
        let results = self.0.get(what);
        let all: u64 = results.map_or(0, |results| results.values().sum());
        let good = results
            .and_then(|results| results.get(&0))
            .copied()
            .unwrap_or(0);
        (good, all - good)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, results) in &self.0 {
            let all: u64 = results.values().sum();
            write!(f, "    {what:24} {all:7}:")?;
            for (errno, count) in results {
                match errno {
                    0 => write!(f, " ok {count}")?,
                    errno => write!(f, " errno{errno} {count}")?,
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
