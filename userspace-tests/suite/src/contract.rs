// SPDX-License-Identifier: MIT OR Apache-2.0
//! The promises of docs/contract.md: their tests, and counts by section.
//!
//! Only the tables there assign tests to sections. A row cites tests in backticks
//! in its last column; `start_*` means all tests whose names start with `start_`. A
//! test cited in two sections counts in both.

const TABLE: &str = include_str!("../../../docs/contract.md");

/// A section of the document: its title, and the tests that it cites.
struct Section {
    title: &'static str,
    cited: Vec<&'static str>,
}

impl Section {
    fn cites(&self, name: &str) -> bool {
        self.cited.iter().any(|cited| stands_for(cited, name))
    }
}

fn stands_for(cited: &str, name: &str) -> bool {
    match cited.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => cited == name,
    }
}

fn sections() -> Vec<Section> {
    let mut sections: Vec<Section> = vec![];
    for line in TABLE.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            let cited = vec![];
            sections.push(Section { title, cited });
        } else if let (Some(row), Some(section)) = (cells(line), sections.last_mut()) {
            // Every second piece is between two backticks.
            section.cited.extend(row.split('`').skip(1).step_by(2));
        }
    }
    sections
}

/// The last column of a table row.
fn cells(line: &'static str) -> Option<&'static str> {
    let row = line.strip_prefix('|')?.strip_suffix('|')?;
    row.rsplit('|').next()
}

/// Formats, in one line, how many of the tests that ran passed, by section.
pub fn counts(ran: &[(&str, bool)]) -> String {
    let counts = sections().into_iter().filter_map(|section| {
        let results: Vec<_> = ran.iter().filter(|(name, _)| section.cites(name)).collect();
        let passed = results.iter().filter(|(_, passed)| *passed).count();
        let title = section.title;
        (!results.is_empty()).then(|| format!("{title} {passed}/{}", results.len()))
    });
    let counts: Vec<_> = counts.collect();
    format!("contract, passed/run: {}", counts.join(", "))
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;
    use crate::tests;

    /// The sources of the tests outside the suite: KUnit tests and the core's cargo tests.
    fn elsewhere() -> String {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut text = String::new();
        let mut dirs = vec![root.join("rust-kmod")];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() && !path.ends_with("target") {
                    dirs.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    text += &fs::read_to_string(path).unwrap();
                }
            }
        }
        text
    }

    #[test]
    fn every_cited_test_exists() {
        let suite: Vec<_> = tests::all().iter().map(|test| test.name).collect();
        let elsewhere = elsewhere();
        for section in sections() {
            for name in section.cited {
                let exists = match name.split_once("::") {
                    None => suite.iter().any(|test| stands_for(name, test)),
                    Some((_, function)) => elsewhere.contains(&format!("fn {function}(")),
                };
                assert!(
                    exists,
                    "{}: the cited test {name} does not exist",
                    section.title
                );
            }
        }
    }

    #[test]
    fn every_test_of_the_suite_is_cited() {
        let sections = sections();
        let missing: Vec<_> = tests::all()
            .into_iter()
            .map(|test| test.name)
            .filter(|name| !sections.iter().any(|section| section.cites(name)))
            .collect();
        assert!(
            missing.is_empty(),
            "docs/contract.md has no row for {missing:?}"
        );
    }

    #[test]
    fn every_row_cites_a_test() {
        for line in TABLE.lines() {
            let Some(last) = cells(line) else { continue };
            let heading = last.trim() == "tests" || last.starts_with('-');
            assert!(heading || last.contains('`'), "no test in the row: {line}");
        }
    }
}
