// SPDX-License-Identifier: MIT OR Apache-2.0
//! The demo: holds a full BGP table in maps of both types, measures what a user would feel of
//! either, looks up real packets in LPM_MTRIE, and compares the answers.
//!
//! | module            | contents |
//! |-------------------|----------|
//! | [`options`]       | the command line |
//! | [`table`]         | the prefix list as text |
//! | [`prefix`]        | a prefix, for both families |
//! | [`prefix_set`]    | longest-prefix match in userspace |
//! | [`origin_map`]    | a map of prefixes, of either map type |
//! | [`load`]          | filling maps |
//! | [`walk`]          | reading whole maps |
//! | [`turns`]         | work that both types do in turns |
//! | [`system_memory`] | the memory that maps take from the system |
//! | [`life`]          | a map while no other exists: its memory, and its end |
//! | [`pair`]          | a map of each type, filled and read in turns |
//! | [`pins`]          | the directory for pins |
//! | [`wire`]          | a veth pair to send frames over |
//! | [`frame`]         | Ethernet frames |
//! | [`well_known`]    | addresses whose AS anyone can check |
//! | [`traffic`]       | the XDP program, and packets for it to count |
//! | [`speed`]         | lookups by a program in both map types |
//! | [`compare`]       | lookups of random addresses in both map types |
//! | [`figure`]        | a figure of both map types, and which is better |
//! | [`progress`]      | progress, as a line that moves or one that stays |
//! | [`report`]        | what is printed |

mod compare;
mod figure;
mod frame;
mod life;
mod load;
mod options;
mod origin_map;
mod pair;
mod pins;
mod prefix;
mod prefix_set;
mod progress;
mod report;
mod speed;
mod system_memory;
mod table;
mod traffic;
mod turns;
mod walk;
mod well_known;
mod wire;

use std::{env, fs, os::unix::fs::MetadataExt, process::ExitCode};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    life::Life,
    options::{Options, USAGE},
    origin_map::Kind,
    pair::Pair,
    pins::Pins,
    prefix::Family,
    progress::Style,
    report::thousands,
    table::Table,
    traffic::Observed,
};

/// Bad lines to report; a file with more is probably in another format.
const COMPLAINTS: usize = 20;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = match Options::parse(env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("demo: {error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<()> {
    let table = read_table(options)?;
    ensure!(
        is_root()?,
        "the demo must run as root, to create maps, XDP programs and veth pairs"
    );
    let kinds = Kind::both()?;
    let style = Style::of_stdout();
    let pins = Pins::create()?;

    let lives = [
        lives(kinds, Family::V4, &table, style)?,
        lives(kinds, Family::V6, &table, style)?,
    ];
    let pair = |family| Pair::fill(kinds, family, table.family(family), &pins, style);
    let pairs = [pair(Family::V4)?, pair(Family::V6)?];

    println!(
        "\nPackets over a veth pair, looked up in LPM_MTRIE and counted by the XDP program:\n"
    );
    let maps = pairs.each_ref().map(|pair| &pair.maps[1]);
    let observed = traffic::run(&table, maps, &pins, options.known_as).await?;
    report::packets(&observed);
    let frames = observed.iter().map(Observed::as_destination).sum();
    println!(
        "{} frames sent, each counted once for its source and once for its destination\n",
        thousands(frames)
    );

    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
    println!("Lookups of random addresses, seed {seed}:");
    let mut measured = vec![];
    for ((family, pair), lives) in Family::BOTH.into_iter().zip(&pairs).zip(&lives) {
        let (set, maps) = (table.family(family), pair.maps.each_ref());
        let lookups = speed::measure(maps, set, seed, style)?;
        let covered = compare::compare(maps, set, seed, style)?;
        println!(
            "{}: {} addresses, {} of them covered by a prefix; all answers are equal",
            family.name(),
            thousands(compare::ADDRESSES as u64),
            thousands(covered as u64),
        );
        if !set.entries().is_empty() {
            measured.push((family, figure::figures(lives, pair, lookups)));
        }
    }

    println!();
    report::distortions()?;
    for (family, figures) in &measured {
        report::figures(*family, table.family(*family), figures);
    }
    report::verdict(&measured);
    report::next_steps(&options.table)?;
    pins.remove()
}

/// Reads the whole list; bad lines are an error unless `--keep-going` is given.
fn read_table(options: &Options) -> Result<Table> {
    let file = options.table.display().to_string();
    let text = fs::read(&options.table).with_context(|| format!("read {file}"))?;
    let table = Table::parse(&text);
    eprint!("{}", table.complaints(&file, COMPLAINTS));
    let bad = table.bad.len();
    if bad > 0 && !options.keep_going {
        bail!(
            "{file} has {bad} bad line(s), so nothing was loaded; \
             fix them, or skip them with --keep-going"
        );
    }
    ensure!(table.len() > 0, "{file} has no prefixes");
    let [v4, v6] = Family::BOTH.map(|family| table.family(family));
    println!(
        "{file}: {} IPv4 and {} IPv6 prefixes",
        thousands(v4.entries().len() as u64),
        thousands(v6.entries().len() as u64),
    );
    let repeated = v4.repeated() + v6.repeated();
    if repeated > 0 {
        println!(
            "{file}: lines overridden by a later line for the same prefix: {}",
            thousands(repeated as u64)
        );
    }
    Ok(table)
}

fn is_root() -> Result<bool> {
    let own = fs::metadata("/proc/self").context("read /proc/self; mount /proc")?;
    Ok(own.uid() == 0)
}

/// A life of each type, with a family's prefixes.
fn lives(kinds: [Kind; 2], family: Family, table: &Table, style: Style) -> Result<[Life; 2]> {
    let live = |kind| life::live(kind, family, table.family(family), style);
    Ok([live(kinds[0])?, live(kinds[1])?])
}
