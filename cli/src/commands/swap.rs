// SPDX-License-Identifier: MIT OR Apache-2.0
//! Replacing a whole table: a new map is built separately, and put into an outer map in one update.

use std::{
    fs,
    os::unix::fs::{MetadataExt, chown},
    path::{Path, PathBuf},
    process,
};

use lpm_mtrie::{BytePrefix, Bytes, LpmMap, OuterMap};
use serde_json::json;

use super::compare::replacement;
use crate::{
    args::Replace,
    failure::{Failure, Outcome, Result},
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
    if let Some(len) = outer.array_len()
        && replace.slot >= u64::from(len)
    {
        return Err(Failure::usage(format!(
            "{} has no slot {}: it is an array of {len}, which --slot counts from 0",
            path.display(),
            replace.slot
        )));
    }
    let slot = slot(replace.slot, outer.key_size())?;
    let entries = replacement(replace, target)?;
    let needed = u32::try_from(entries.len()).unwrap_or(u32::MAX);
    let new = target
        .map
        .builder_like()?
        .max_entries(target.info.max_entries.max(needed))
        .create()?;
    let count = new.insert_all(entries)?;
    let pin = match Spec::parse(&replace.map)? {
        Spec::Pin(pin) => Some(NextPin::new(pin, &new)?),
        _ => None,
    };
    outer.set(&slot, &new)?;
    if let Some(pin) = pin {
        pin.replace()?;
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

/// A pin of the new map that will replace the old one's; removed if it does not. All that can fail
/// for want of rights or names fails before the swap.
struct NextPin<'a> {
    next: PathBuf,
    pin: &'a Path,
}

impl<'a> NextPin<'a> {
    fn new(pin: &'a Path, map: &LpmMap<BytePrefix, Bytes>) -> Result<Self> {
        // A BPF file system accepts no names with dots.
        let mut next = pin.as_os_str().to_owned();
        next.push(format!("_new_{}", process::id()));
        let next = PathBuf::from(next);
        map.pin(&next)?;
        let this = Self { next, pin };
        this.copy_rights().map_err(|error| {
            Failure::System(format!(
                "cannot copy owner and mode of the pin {}: {error}; nothing was swapped",
                pin.display()
            ))
        })?;
        Ok(this)
    }

    fn copy_rights(&self) -> std::io::Result<()> {
        let old = fs::metadata(self.pin)?;
        chown(&self.next, Some(old.uid()), Some(old.gid()))?;
        fs::set_permissions(&self.next, old.permissions())
    }

    /// Whoever opens the pin finds the old map or the new one.
    fn replace(self) -> Result<()> {
        fs::rename(&self.next, self.pin).map_err(|error| {
            Failure::System(format!(
                "the new map is in the outer one, but the pin {} still refers to the old map: {error}",
                self.pin.display()
            ))
        })
    }
}

impl Drop for NextPin<'_> {
    fn drop(&mut self) {
        // After `replace` it is not there any more.
        let _ = fs::remove_file(&self.next);
    }
}
