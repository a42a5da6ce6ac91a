// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whole maps: dump, stats.

use std::collections::BTreeMap;

use lpm_mtrie::{MapType, PrefixKey};
use serde_json::json;

use crate::{
    args::Format,
    failure::{Failure, Outcome, Result},
    output::{Output, Paint, line},
    target::Target,
};

pub fn dump(target: &Target, format: Option<Format>, out: &mut Output) -> Result<Outcome> {
    if out.json && format.is_some_and(|format| format != Format::Json) {
        return Err(Failure::usage("--json prints JSON; omit it, or --format"));
    }
    if format == Some(Format::Csv) {
        out.line("prefix,value")?;
    }
    for entry in target.map.iter() {
        let entry = entry?;
        match format {
            Some(format) => out.line(&line(&entry, format, &target.style))?,
            None => out.entry(&entry, &target.style)?,
        }
    }
    Ok(Outcome::Found)
}

pub fn stats(target: &Target, out: &mut Output) -> Result<Outcome> {
    let mut lengths: BTreeMap<u32, u64> = BTreeMap::new();
    for entry in target.map.iter() {
        *lengths.entry(entry?.0.prefix_len()).or_default() += 1;
    }
    let entries: u64 = lengths.values().sum();
    let info = &target.info;
    let features = target.map.features();
    let map_type = if info.map_type == MapType::LPM_TRIE {
        "lpm_trie"
    } else {
        "lpm_mtrie"
    };
    if out.json {
        let lengths: serde_json::Map<_, _> = lengths
            .iter()
            .map(|(length, count)| (length.to_string(), (*count).into()))
            .collect();
        out.object(&json!({
            "id": info.id,
            "name": info.name,
            "type": map_type,
            "key_size": info.data_size,
            "value_size": info.value_size,
            "max_entries": info.max_entries,
            "entries": entries,
            "memory": info.memory,
            "frozen": info.frozen,
            "lengths": lengths,
            "kernel": { "match_len": features.match_len, "positions": features.positions },
        }))?;
        return Ok(Outcome::Found);
    }
    let name = if info.name.is_empty() {
        "without a name"
    } else {
        &info.name
    };
    let per_entry = info.memory.checked_div(entries).unwrap_or(0);
    let yes = |there| if there { "yes" } else { "no" };
    for (what, text) in [
        ("map", format!("{} {name}", info.id)),
        ("type", map_type.to_owned()),
        ("key data", format!("{} bytes", info.data_size)),
        ("value", format!("{} bytes", info.value_size)),
        ("entries", format!("{entries} of {}", info.max_entries)),
        (
            "memory",
            format!("{} bytes, {per_entry} per entry", info.memory),
        ),
        ("frozen", yes(info.frozen).to_owned()),
        (
            "kernel finds the length of a match",
            yes(features.match_len).to_owned(),
        ),
        (
            "kernel walks from any prefix",
            yes(features.positions).to_owned(),
        ),
    ] {
        out.line(&format!("{what}: {text}"))?;
    }
    let most = lengths.values().max().copied().unwrap_or(1);
    for (length, count) in &lengths {
        let bar = "#".repeat((count * 40).div_ceil(most) as usize);
        let bar = out.paint(Paint::Faint, &bar);
        out.line(&format!("{:>8} {count:>10} {bar}", format!("/{length}")))?;
    }
    Ok(Outcome::Found)
}
