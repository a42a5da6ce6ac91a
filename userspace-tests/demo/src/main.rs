// SPDX-License-Identifier: MIT OR Apache-2.0
//! The demo: loads a full BGP table into two pinned LPM_MTRIE maps, looks up real packets in them
//! with an XDP program, and compares the maps with LPM_TRIE.
//!
//! | module         | contents |
//! |----------------|----------|
//! | [`options`]    | the command line |
//! | [`table`]      | the prefix list as text |
//! | [`prefix`]     | a prefix, for both families |
//! | [`prefix_set`] | longest-prefix match in userspace |
//! | [`origin_map`] | a map of prefixes, of either map type |
//! | [`batch`]      | batch updates that may stop early |
//! | [`pins`]       | the directory for pins |
//! | [`wire`]       | a veth pair to send frames over |
//! | [`frame`]      | Ethernet frames |
//! | [`well_known`] | addresses whose AS anyone can check |
//! | [`traffic`]    | the XDP program, and packets for it to count |
//! | [`compare`]    | lookups of random addresses in both map types |
//! | [`progress`]   | progress, as a bar or as lines |
//! | [`report`]     | the printed tables |

mod batch;
mod compare;
mod frame;
mod options;
mod origin_map;
mod pins;
mod prefix;
mod prefix_set;
mod progress;
mod report;
mod table;
mod traffic;
mod well_known;
mod wire;

use std::{env, fs, os::unix::fs::MetadataExt, process::ExitCode};

use anyhow::{Context, Result, bail, ensure};
use lpm_mtrie::MapType;

use crate::{
    options::{Options, USAGE},
    origin_map::{Kind, Load, OriginMap},
    pins::Pins,
    prefix::Family,
    progress::Style,
    report::{Column, seconds, thousands},
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
    let mtrie = Kind {
        name: "LPM_MTRIE",
        map_type: MapType::lpm_mtrie()?,
    };
    let trie = Kind {
        name: "LPM_TRIE",
        map_type: MapType::LPM_TRIE,
    };
    let style = Style::of_stdout();

    let pins = Pins::create()?;
    let (mtrie_v4, load_v4) = fill(mtrie, Family::V4, &table, Some(&pins), style)?;
    let (mtrie_v6, load_v6) = fill(mtrie, Family::V6, &table, Some(&pins), style)?;
    let mtrie_loads = [load_v4, load_v6];

    println!("\nPackets over a veth pair, looked up and counted by the XDP program:\n");
    let maps = [&mtrie_v4, &mtrie_v6];
    let observed = traffic::run(&table, maps, &pins, options.known_as).await?;
    report::packets(&observed);
    let frames = observed.iter().map(Observed::as_destination).sum();
    println!(
        "{} frames sent, each counted once for its source and once for its destination\n",
        thousands(frames)
    );

    let (trie_v4, load_v4) = fill(trie, Family::V4, &table, None, style)?;
    let (trie_v6, load_v6) = fill(trie, Family::V6, &table, None, style)?;
    let trie_loads = [load_v4, load_v6];

    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
    println!("\nLookups of random addresses in both map types, seed {seed}:");
    let pairs = [[&mtrie_v4, &trie_v4], [&mtrie_v6, &trie_v6]];
    for (family, pair) in Family::BOTH.into_iter().zip(pairs) {
        let covered = compare::compare(family, table.family(family), pair, seed, style)?;
        println!(
            "{}: {} addresses, {} of them covered by a prefix; all answers are equal",
            family.name(),
            thousands(compare::ADDRESSES as u64),
            thousands(covered as u64),
        );
    }

    println!();
    let compared = [compare::ADDRESSES; 2];
    report::side_by_side(
        &[(mtrie, mtrie_loads), (trie, trie_loads)].map(|(kind, loads)| Column {
            kind,
            loads,
            compared,
        }),
    );
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

/// Creates a map, loads a family's prefixes and prints the result.
fn fill(
    kind: Kind,
    family: Family,
    table: &Table,
    pins: Option<&Pins>,
    style: Style,
) -> Result<(OriginMap, Load)> {
    let set = table.family(family);
    let pin = pins.map(|pins| pins.path(family.name()));
    let map = OriginMap::create(kind, family, set.entries().len(), pin.as_deref())?;
    let load = map.load(set, style)?;
    println!(
        "{} {}: {} prefixes loaded in {}{}",
        kind.name,
        family.name(),
        thousands(load.prefixes as u64),
        seconds(load.time),
        pin.map_or(String::new(), |pin| format!(
            ", pinned at {}",
            pin.display()
        )),
    );
    Ok((map, load))
}
