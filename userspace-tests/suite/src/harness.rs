// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs tests one after another and reports each by name.

use std::{
    any::Any,
    io::{self, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    sync::OnceLock,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};
use lpm_mtrie::MapType;

use crate::contract;

/// A test: its name, where it runs, and its function.
#[derive(Clone, Copy)]
pub struct Test {
    pub name: &'static str,
    types: Types,
    on_debug: bool,
    needs: Option<Need>,
    run: fn(Type) -> Result<()>,
}

impl Test {
    /// A test of behaviour that LPM_MTRIE shares with LPM_TRIE; it runs on both types.
    pub const fn both(name: &'static str, run: fn(Type) -> Result<()>) -> Self {
        Self::new(name, Types::Both, run)
    }

    /// A test of LPM_MTRIE only, or one that compares it with LPM_TRIE.
    pub const fn mtrie(name: &'static str, run: fn(Type) -> Result<()>) -> Self {
        Self::new(name, Types::Mtrie, run)
    }

    const fn new(name: &'static str, types: Types, run: fn(Type) -> Result<()>) -> Self {
        Self {
            name,
            types,
            on_debug: true,
            needs: None,
            run,
        }
    }

    /// Omits the test with `--debug`, because it takes long there, and is not about the code in the
    /// kernel, or not about its lifetimes, locks and failures.
    pub const fn not_on_debug(mut self) -> Self {
        self.on_debug = false;
        self
    }

    /// Omits the test on machines without this.
    pub const fn needing(mut self, need: Need) -> Self {
        self.needs = Some(need);
        self
    }

    pub fn needs(&self, need: Need) -> bool {
        self.needs == Some(need)
    }
}

/// What some machines lack.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Need {
    FaultInjection,
    /// The map type's module, to insert, remove, or count its references.
    Module,
    /// bpftool, or what scripts/inputs/tools has built.
    HostPrograms,
}

/// The map types that a test applies to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Types {
    Both,
    Mtrie,
}

/// The map type that a test runs on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Type {
    kind: Kind,
    number: MapType,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Trie,
    Mtrie,
}

impl Type {
    pub fn map_type(self) -> MapType {
        self.number
    }

    pub fn is_mtrie(self) -> bool {
        self.kind == Kind::Mtrie
    }

    /// LPM_MTRIE, with its number in the running kernel.
    pub fn lpm_mtrie() -> Result<Self> {
        Ok(Self {
            kind: Kind::Mtrie,
            number: lpm_mtrie()?,
        })
    }

    /// LPM_TRIE, for comparison.
    pub fn lpm_trie() -> Self {
        Self {
            kind: Kind::Trie,
            number: MapType::LPM_TRIE,
        }
    }
}

/// A test on a particular type.
#[derive(Clone, Copy)]
pub struct Case {
    test: Test,
    kind: Kind,
}

impl Case {
    pub fn name(&self) -> String {
        match (self.test.types, self.kind) {
            (Types::Mtrie, _) => self.test.name.to_owned(),
            (Types::Both, Kind::Trie) => format!("{}/lpm_trie", self.test.name),
            (Types::Both, Kind::Mtrie) => format!("{}/lpm_mtrie", self.test.name),
        }
    }

    fn run(&self) -> Result<()> {
        let on = match self.kind {
            Kind::Trie => Type::lpm_trie(),
            Kind::Mtrie => Type::lpm_mtrie()?,
        };
        catch_unwind(AssertUnwindSafe(|| (self.test.run)(on)))
            .unwrap_or_else(|panic| Err(anyhow!("panicked: {}", message(&*panic))))
    }
}

/// The type's number, cached because finding it takes seconds on a slow kernel.
fn lpm_mtrie() -> Result<MapType> {
    static NUMBER: OnceLock<MapType> = OnceLock::new();
    if let Some(number) = NUMBER.get() {
        return Ok(*number);
    }
    let number = MapType::lpm_mtrie()?;
    Ok(*NUMBER.get_or_init(|| number))
}

fn message(panic: &(dyn Any + Send)) -> &str {
    if let Some(text) = panic.downcast_ref::<String>() {
        text
    } else if let Some(text) = panic.downcast_ref::<&str>() {
        text
    } else {
        "no message"
    }
}

/// The cases whose names begin with one of the filters; without filters, all cases.
pub fn select(tests: &[Test], filters: &[String]) -> Vec<Case> {
    let cases = tests.iter().flat_map(|test| {
        let kinds: &[Kind] = match test.types {
            Types::Both => &[Kind::Trie, Kind::Mtrie],
            Types::Mtrie => &[Kind::Mtrie],
        };
        kinds.iter().map(|kind| Case {
            test: *test,
            kind: *kind,
        })
    });
    cases
        .filter(|case| {
            filters.is_empty() || filters.iter().any(|filter| case.name().starts_with(filter))
        })
        .collect()
}

/// A filter that matches none of the cases.
pub fn unmatched<'a>(cases: &[Case], filters: &'a [String]) -> Option<&'a String> {
    let matches = |filter: &String| cases.iter().any(|case| case.name().starts_with(filter));
    filters.iter().find(|filter| !matches(filter))
}

/// The cases on LPM_MTRIE.
pub fn own(mut cases: Vec<Case>) -> Vec<Case> {
    cases.retain(|case| !matches!(case.kind, Kind::Trie));
    cases
}

/// The cases for the debug kernel.
pub fn on_debug(cases: Vec<Case>) -> Vec<Case> {
    let mut cases = own(cases);
    cases.retain(|case| case.test.on_debug);
    cases
}

/// The duration of a test, if it is worth printing.
fn long(took: Duration) -> String {
    if took > Duration::from_secs(1) {
        format!(" ({:.1} s)", took.as_secs_f32())
    } else {
        String::new()
    }
}

/// Runs the cases; the last line printed is the verdict.
pub fn run(cases: &[Case]) -> ExitCode {
    let mut failures = vec![];
    let mut ran = vec![];
    for case in cases {
        print!("test {} ... ", case.name());
        // Make the name visible in case the machine crashes during the test.
        io::stdout().flush().expect("standard output is open");
        let start = Instant::now();
        let result = case.run();
        let took = long(start.elapsed());
        ran.push((case.test.name, result.is_ok()));
        match result {
            Ok(()) => println!("ok{took}"),
            Err(error) => {
                println!("FAILED{took}");
                failures.push((case.name(), error));
            }
        }
    }
    for (name, error) in &failures {
        println!("\n---- {name}\n{error:#}");
    }
    println!("\n{}", contract::counts(&ran));
    println!(
        "{} passed, {} failed",
        cases.len() - failures.len(),
        failures.len()
    );
    if failures.is_empty() && !cases.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
