// SPDX-License-Identifier: MIT OR Apache-2.0
//! Replacing a whole table: a new map is built separately, and put into an outer map in one update.

use std::{
    fs,
    path::{Path, PathBuf},
};

use lpm_mtrie::{BytePrefix, Bytes, LpmMap, OuterMap};
use serde_json::json;

use crate::{
    args::Replace,
    failure::{Failure, Outcome, Result},
    input,
    output::Output,
    target::{Spec, Target},
};

pub fn swap(target: &Target, outer: &str, replace: &Replace, out: &mut Output) -> Result<Outcome> {
    let Spec::Pin(path) = Spec::parse(outer)? else {
        return Err(Failure::usage(format!(
            "'{outer}' is not a path; --swap takes the pin of an array or hash of maps"
        )));
    };
    let outer = OuterMap::<Bytes, BytePrefix, Bytes>::from_pin(path)?;
    let slot = slot(replace.slot, outer.key_size())?;
    let entries = input::read(&replace.file, &target.style, target.info.data_size)?;
    let info = &target.info;
    let needed = u32::try_from(entries.len()).unwrap_or(u32::MAX);
    let new = LpmMap::<BytePrefix, Bytes>::builder(&info.name)
        .map_type(info.map_type)
        .max_entries(info.max_entries.max(needed))
        .flags(info.flags)
        .data_size(info.data_size)
        .value_size(info.value_size)
        .create()?;
    let count = new.insert_all(entries)?;
    outer.set(&slot, &new)?;
    if let Spec::Pin(pin) = Spec::parse(&replace.map)? {
        move_pin(pin, &new)?;
    }
    let id = new.info()?.id;
    if out.json {
        out.object(&json!({ "id": id, "loaded": count }))?;
    } else {
        out.line(&format!("loaded {count} entries into the new map {id}"))?;
    }
    Ok(Outcome::Found)
}

/// The key of an outer map: a number of its size, in machine byte order.
fn slot(number: u64, size: usize) -> Result<Bytes> {
    crate::value::ValueKind::Unsigned
        .check(size)?
        .parse(&number.to_string(), size)
}

/// Whoever opens the pin finds the old map or the new one.
fn move_pin(pin: &Path, new: &LpmMap<BytePrefix, Bytes>) -> Result<()> {
    // A BPF file system accepts no names with dots.
    let mut aside = pin.as_os_str().to_owned();
    aside.push("_new");
    let aside = PathBuf::from(aside);
    new.pin(&aside)?;
    fs::rename(&aside, pin).map_err(|error| {
        // The new map is in place; only its second pin is left over.
        let _ = fs::remove_file(&aside);
        Failure::System(format!(
            "the new map is in the outer one, but the pin {} still refers to the old map: {error}",
            pin.display()
        ))
    })
}
