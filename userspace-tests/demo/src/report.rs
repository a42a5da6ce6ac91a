// SPDX-License-Identifier: MIT OR Apache-2.0
//! The demo's output: packets by address, the figures of both map types, and what they say.

use std::{env, fs, path::Path};

use anyhow::{Context, Result};

use crate::{
    figure::{Figure, Outcome, Unit},
    prefix::Family,
    prefix_set::PrefixSet,
    traffic::Observed,
};

/// Prints one line per address: its match, and the packets that the kernel counted.
pub fn packets(observed: &[Observed]) {
    println!(
        "{:<26} {:<22} {:>7} {:>6} {:>6}  holder",
        "address", "matched prefix", "AS", "to", "from"
    );
    for row in observed {
        let family = Family::of(row.known.addr);
        let (prefix, origin) = match row.matched {
            Some(entry) => (
                entry.prefix.display(family).to_string(),
                entry.value.to_string(),
            ),
            None => ("none".to_owned(), "-".to_owned()),
        };
        println!(
            "{:<26} {prefix:<22} {origin:>7} {:>6} {:>6}  {}",
            row.known.addr.to_string(),
            row.as_destination(),
            row.as_source(),
            row.known.holder,
        );
    }
}

/// Prints what distorts the times, if the machine is emulated.
pub fn distortions() -> Result<()> {
    let cpus = fs::read_to_string("/proc/cpuinfo").context("read /proc/cpuinfo")?;
    if cpus.contains("QEMU TCG") {
        println!(
            "Emulated CPUs (TCG): instructions cost what emulating them costs, and cache misses \
             cost nothing, so only ratios of times are meaningful, and they differ on hardware."
        );
    }
    Ok(())
}

/// Prints the figures of a family.
pub fn figures(family: Family, set: &PrefixSet, figures: &[Figure]) {
    let prefixes = thousands(set.entries().len() as u64);
    let what = format!("{} prefixes: {prefixes}", family.name());
    println!("\n{what:<30} {:>12} {:>12}", "LPM_TRIE", "LPM_MTRIE");
    for figure in figures {
        let [trie, mtrie] = figure.values.map(|value| written(value, figure.unit));
        let outcome = match figure.outcome() {
            Outcome::Better(times) => format!("  {times:.1}× better"),
            Outcome::Worse(times) => format!("  {times:.1}× worse"),
            Outcome::AboutEqual => "  about equal".to_owned(),
            Outcome::TooSmall => "  too small to compare".to_owned(),
            Outcome::NotCompared => String::new(),
        };
        println!("  {:<28} {trie:>12} {mtrie:>12}{outcome}", figure.what);
    }
}

/// Prints what LPM_MTRIE was better at, and what it was not.
pub fn verdict(measured: &[(Family, Vec<Figure>)]) {
    section("LPM_MTRIE was better", measured, |outcome| match outcome {
        Outcome::Better(times) => Some(format!(" {times:.1}×")),
        _ => None,
    });
    section("LPM_MTRIE was worse", measured, |outcome| match outcome {
        Outcome::Worse(times) => Some(format!(" {times:.1}×")),
        _ => None,
    });
    section("About equal (within 10 %)", measured, |outcome| {
        (outcome == Outcome::AboutEqual).then(String::new)
    });
}

fn section(
    title: &str,
    measured: &[(Family, Vec<Figure>)],
    belongs: impl Fn(Outcome) -> Option<String>,
) {
    let mut rows: Vec<(&str, Vec<String>)> = vec![];
    for (family, figures) in measured {
        for figure in figures {
            let Some(times) = belongs(figure.outcome()) else {
                continue;
            };
            let cell = format!("{}{times}", family.name());
            match rows.iter_mut().find(|(what, _)| *what == figure.what) {
                Some((_, cells)) => cells.push(cell),
                None => rows.push((figure.what, vec![cell])),
            }
        }
    }
    println!(
        "\n{title}{}",
        if rows.is_empty() { ": nothing" } else { ":" }
    );
    for (what, cells) in rows {
        println!("  {what:<28} {}", cells.join(", "));
    }
}

/// Prints what to try next.
pub fn next_steps(table: &Path) -> Result<()> {
    let program = env::current_exe().context("the path of this program")?;
    let programs = program.parent().context("the directory of this program")?;
    println!(
        "\nTo try next:
* The command line tool, in `make vm`:
    export PATH=$PATH:{}
    lpm create /sys/fs/bpf/routes --key ipv4 --value-size 8 --max-entries 2000000
    lpm load /sys/fs/bpf/routes {} --mixed
    lpm stats /sys/fs/bpf/routes
* A program of your own: examples/firewall/README.md has one to start from.
* The same comparison at native speed, in user-mode Linux: make bench ARGS=--quick",
        programs.display(),
        table.display()
    );
    Ok(())
}

/// Formats `1072529` as `1,072,529`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn written(value: f64, unit: Unit) -> String {
    match unit {
        // Nothing was measured.
        _ if !value.is_finite() => "-".to_owned(),
        Unit::Bytes | Unit::ReportedBytes if value < f64::from(1 << 20) => {
            format!("{:.1} KiB", value / f64::from(1 << 10))
        }
        Unit::Bytes | Unit::ReportedBytes => format!("{:.1} MiB", value / f64::from(1 << 20)),
        Unit::Seconds if value < 0.1 => format!("{:.2} ms", value * 1e3),
        Unit::Seconds => format!("{value:.2} s"),
        Unit::PerSecond => format!("{}/s", thousands(value as u64)),
        Unit::Factor => format!("{value:.1}×"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_072_529), "1,072,529");
        assert_eq!(written(1.234, Unit::Seconds), "1.23 s");
        assert_eq!(written(0.001_234, Unit::Seconds), "1.23 ms");
        assert_eq!(written(1536.0, Unit::Bytes), "1.5 KiB");
        assert_eq!(written(1_572_864.0, Unit::ReportedBytes), "1.5 MiB");
        assert_eq!(written(1234.5, Unit::PerSecond), "1,234/s");
        assert_eq!(written(1.25, Unit::Factor), "1.2×");
        assert_eq!(written(f64::NAN, Unit::PerSecond), "-");
    }
}
