// SPDX-License-Identifier: MIT OR Apache-2.0
//! Queries: lookup, get, covering, covered.

use std::io::{self, BufRead, BufReader};

use lpm_mtrie::BytePrefix;
use serde_json::json;

use crate::{
    failure::{Failure, Outcome, Result},
    output::{Output, Paint, object},
    target::{Entry, Style, Target},
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

/// One line per key: the key, the prefix, the value. Keys on the command line are all parsed first;
/// those on standard input are answered one by one, as soon as no further one is there.
fn ask(
    target: &Target,
    texts: &[String],
    out: &mut Output,
    question: impl Fn(BytePrefix) -> Result<Option<Entry>>,
) -> Result<Outcome> {
    let mut all_found = true;
    let mut answer = |text: &str, key, out: &mut Output| -> Result<()> {
        let found = question(key)?;
        all_found &= found.is_some();
        print(text, found.as_ref(), &target.style, out)
    };
    if texts == ["-"] {
        let mut input = BufReader::with_capacity(1 << 16, io::stdin());
        for n in 1.. {
            if !input.buffer().contains(&b'\n') {
                out.flush()?;
            }
            let mut line = String::new();
            let read = input
                .read_line(&mut line)
                .map_err(|error| Failure::System(format!("cannot read standard input: {error}")))?;
            if read == 0 {
                break;
            }
            let text = line.trim();
            if text.is_empty() {
                continue;
            }
            let key = target
                .key(text)
                .map_err(|failure| Failure::usage(format!("line {n}: {failure}")))?;
            answer(text, key, out)?;
        }
    } else {
        let keys: Result<Vec<_>> = texts.iter().map(|text| target.key(text)).collect();
        for (text, key) in texts.iter().zip(keys?) {
            answer(text, key, out)?;
        }
    }
    Ok(Outcome::found_if(all_found))
}

fn print(text: &str, found: Option<&Entry>, style: &Style, out: &mut Output) -> Result<()> {
    if out.json {
        let mut answer = match found {
            Some(entry) => object(entry, style),
            None => json!({ "prefix": null, "length": null, "value": null }),
        };
        answer["key"] = text.into();
        return out.object(&answer);
    }
    let answer = match found {
        Some((prefix, value)) => {
            let prefix = out.paint(Paint::Prefix, &style.key.format(prefix));
            format!("{prefix} {}", style.value.format(value))
        }
        None => out.paint(Paint::Faint, "no match"),
    };
    out.line(&format!("{text} {answer}"))
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
