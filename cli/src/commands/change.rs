// SPDX-License-Identifier: MIT OR Apache-2.0
//! Changes: create, set, delete.

use libc::{EEXIST, ENOENT};
use lpm_mtrie::{BytePrefix, Bytes, LpmMap, MapType, MapTypeError, Mode};
use serde_json::json;

use crate::{
    args::{Create, Options, Type},
    failure::{Failure, Outcome, Result},
    output::Output,
    target::Target,
};

pub fn create(create: &Create, options: &Options, out: &mut Output) -> Result<Outcome> {
    let key = options.key.ok_or_else(|| {
        Failure::usage("--key is missing: pass --key ipv4, ipv6, mac, or path with --key-size")
    })?;
    let value_size = create.value_size as usize;
    let data_size = match (key.data_size(), create.key_size.map(|size| size as usize)) {
        (Some(size), None) => size,
        (Some(size), Some(given)) if given == size => size,
        (None, Some(given)) => given,
        (Some(size), Some(_)) => {
            return Err(Failure::usage(format!(
                "keys of this kind have {size} bytes; omit --key-size"
            )));
        }
        (None, None) => {
            return Err(Failure::usage(
                "--key-size is missing: pass --key-size BYTES, up to 256, the longest path",
            ));
        }
    };
    if let Some(value) = options.value {
        value.check(value_size)?;
    }
    let map_type = match create.map_type {
        Type::Trie => MapType::LPM_TRIE,
        Type::Mtrie => MapType::lpm_mtrie().map_err(|error: MapTypeError| {
            Failure::System(format!("{error}; or create the map with --type trie"))
        })?,
    };
    let pin_name = create.pin.file_name().map(|name| name.to_string_lossy());
    let given = create.name.as_deref().or(pin_name.as_deref());
    // The kernel accepts letters, digits, '_' and '.'.
    let name: String = given
        .unwrap_or_default()
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '.' {
                c
            } else {
                '_'
            }
        })
        .collect();
    let map = LpmMap::<BytePrefix, Bytes>::builder(&name)
        .map_type(map_type)
        .max_entries(create.max_entries)
        .data_size(data_size)
        .value_size(value_size)
        .pin(&create.pin)
        .create()?;
    let info = map.info()?;
    let (id, pin) = (info.id, create.pin.display());
    if out.json {
        out.object(&json!({ "id": id, "name": info.name, "pin": pin.to_string() }))?;
    } else if given == Some(&info.name) {
        out.line(&format!("created map {id}, pinned to {pin}"))?;
    } else {
        out.line(&format!(
            "created map {id}, named {}, pinned to {pin}",
            info.name
        ))?;
    }
    Ok(Outcome::Found)
}

pub fn set(
    target: &Target,
    prefix: &str,
    value: &str,
    add: bool,
    replace: bool,
) -> Result<Outcome> {
    let mode = match (add, replace) {
        (true, _) => Mode::Add,
        (_, true) => Mode::Replace,
        _ => Mode::Any,
    };
    let value = target.style.parse_value(value)?;
    let why = match target.map.update(&target.key(prefix)?, &value, mode) {
        Err(error) if error.errno() == Some(EEXIST) => "is in the map already",
        Err(error) if error.errno() == Some(ENOENT) => "is not in the map",
        result => return Ok(result.map(|()| Outcome::Found)?),
    };
    eprintln!("lpm: nothing was set: {prefix} {why}");
    Ok(Outcome::NotFound)
}

/// With `subtree`, the number of removed entries is printed.
pub fn delete(
    target: &Target,
    texts: &[String],
    subtree: bool,
    out: &mut Output,
) -> Result<Outcome> {
    let keys: Result<Vec<_>> = texts.iter().map(|text| target.key(text)).collect();
    let (mut removed, mut all_there) = (0, true);
    for (text, key) in texts.iter().zip(keys?) {
        let now = if subtree {
            target.map.remove_subtree(&key)?
        } else {
            target.map.remove(&key)?.into()
        };
        if now == 0 {
            eprintln!("lpm: nothing to delete: {text} is not in the map");
        }
        all_there &= now > 0;
        removed += now;
    }
    if subtree {
        out.count("deleted", removed)?;
    }
    Ok(Outcome::found_if(all_there))
}
