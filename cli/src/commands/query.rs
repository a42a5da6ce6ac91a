// SPDX-License-Identifier: MIT OR Apache-2.0
//! Questions about keys: lookup, get, covering, covered.

use lpm_mtrie::BytePrefix;
use serde_json::json;

use crate::{
    failure::{Outcome, Result},
    output::{Output, Paint, object},
    target::{Entry, Target},
};

pub fn lookup(target: &Target, keys: &[String], out: &mut Output) -> Result<Outcome> {
    ask(target, keys, out, |key| {
        Ok(target.map.longest_match(key)?)
    })
}

pub fn get(target: &Target, keys: &[String], out: &mut Output) -> Result<Outcome> {
    ask(target, keys, out, |key| {
        let value = target.map.get(&key)?;
        Ok(value.map(|value| (key, value)))
    })
}

/// One line a key: the key, the prefix, the value. All keys are read first.
fn ask(
    target: &Target,
    texts: &[String],
    out: &mut Output,
    question: impl Fn(BytePrefix) -> Result<Option<Entry>>,
) -> Result<Outcome> {
    let style = &target.style;
    let keys: Result<Vec<_>> = texts.iter().map(|text| target.key(text)).collect();
    let mut all_found = true;
    for (text, key) in texts.iter().zip(keys?) {
        let found = question(key)?;
        all_found &= found.is_some();
        match &found {
            _ if out.json => {
                let mut answer = match &found {
                    Some(entry) => object(entry, style),
                    None => json!({ "prefix": null, "length": null, "value": null }),
                };
                answer["key"] = text.as_str().into();
                out.object(&answer)?;
            }
            Some((prefix, value)) => {
                let prefix = out.paint(Paint::Prefix, &style.key.format(prefix));
                out.line(&format!("{text} {prefix} {}", style.value.format(value)))?;
            }
            None => {
                let none = out.paint(Paint::Faint, "no match");
                out.line(&format!("{text} {none}"))?;
            }
        }
    }
    Ok(Outcome::found_if(all_found))
}

pub fn covering(target: &Target, key: &str, out: &mut Output) -> Result<Outcome> {
    let found = target.map.covering(target.key(key)?)?;
    for entry in &found {
        out.entry(entry, &target.style)?;
    }
    Ok(Outcome::found_if(!found.is_empty()))
}

pub fn covered(target: &Target, key: &str, out: &mut Output) -> Result<Outcome> {
    let mut any = false;
    for entry in target.map.covered(&target.key(key)?) {
        out.entry(&entry?, &target.style)?;
        any = true;
    }
    Ok(Outcome::found_if(any))
}
