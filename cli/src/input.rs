// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads a list of prefixes and values: text, CSV, or JSON lines.
//!
//! All lines are read before anything is done with them, and all wrong lines are reported with
//! their numbers.

use std::{
    fs,
    io::{self, Read},
    path::Path,
};

use lpm_mtrie::{BytePrefix, Bytes};
use serde_json::Value as Json;

use crate::{
    args::{File, Format},
    failure::{Failure, Result},
    target::{Entry, Style},
};

/// How many wrong lines are shown; the others are counted.
const SHOWN: usize = 10;

/// The entries of a file, in its order. `data_size` is that of the map's keys.
pub fn read(file: &File, style: &Style, data_size: usize) -> Result<Vec<Entry>> {
    let name = if file.path == Path::new("-") {
        "standard input".to_owned()
    } else {
        file.path.display().to_string()
    };
    let bytes = if file.path == Path::new("-") {
        let mut bytes = vec![];
        io::stdin().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        fs::read(&file.path)
    };
    let bytes = bytes.map_err(|error| Failure::System(format!("cannot read {name}: {error}")))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        Failure::Usage(format!(
            "{name}: line {line} is not UTF-8, nothing was done"
        ))
    })?;
    let format = file.format.unwrap_or_else(|| guess(&file.path, &text));
    let other = file.mixed.then(|| style.key.other_family()).flatten();
    let other = other.map(|key| Style {
        key,
        ..style.clone()
    });
    parse(&text, format, style, data_size, other.as_ref()).map_err(|wrong| {
        let shown: Vec<_> = wrong.iter().take(SHOWN).map(String::as_str).collect();
        let more = match wrong.len() - shown.len() {
            0 => String::new(),
            more => format!("\n… and {more} more"),
        };
        Failure::Usage(format!(
            "{name}: nothing was done; wrong lines: {}\n{}{more}",
            wrong.len(),
            shown.join("\n")
        ))
    })
}

/// The format, according to the file's name or its first line.
fn guess(path: &Path, text: &str) -> Format {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("csv") => return Format::Csv,
        Some("json" | "jsonl" | "ndjson") => return Format::Json,
        _ => {}
    }
    let first = text.lines().map(str::trim).find(|line| !skipped(line));
    match first.unwrap_or_default() {
        line if line.starts_with('{') => Format::Json,
        line if line.contains(',') && !line.contains(char::is_whitespace) => Format::Csv,
        _ => Format::Text,
    }
}

fn skipped(line: &str) -> bool {
    line.is_empty() || line.starts_with('#')
}

/// The entries, or what is wrong with each wrong line. Lines in the style `other` are skipped.
fn parse(
    text: &str,
    format: Format,
    style: &Style,
    data_size: usize,
    other: Option<&Style>,
) -> Result<Vec<Entry>, Vec<String>> {
    let (mut entries, mut wrong) = (vec![], vec![]);
    for (n, line) in text.lines().enumerate() {
        let line = line.trim();
        if skipped(line) || (n == 0 && format == Format::Csv && line == "prefix,value") {
            continue;
        }
        let read = |style: &Style| match format {
            Format::Text => text_line(line, style),
            Format::Csv => csv_line(line, style),
            Format::Json => json_line(line, style),
        };
        let entry = read(style);
        if entry.is_err() && other.is_some_and(|other| read(other).is_ok()) {
            continue;
        }
        match entry.and_then(|entry| fits(entry, data_size)) {
            Ok(entry) => entries.push(entry),
            Err(failure) => wrong.push(format!("line {}: {failure}", n + 1)),
        }
    }
    if wrong.is_empty() {
        Ok(entries)
    } else {
        Err(wrong)
    }
}

fn fits(entry: Entry, data_size: usize) -> Result<Entry> {
    if entry.0.bytes().len() > data_size {
        return Err(Failure::usage(format!(
            "the prefix has {} bytes, the map's keys have {data_size}",
            entry.0.bytes().len()
        )));
    }
    Ok(entry)
}

/// `prefix value`, and perhaps a comment; a prefix may have spaces in it, a value has none.
fn text_line(line: &str, style: &Style) -> Result<Entry> {
    let line = comment(line).map_or(line, |at| line[..at].trim_end());
    let (prefix, value) = line
        .rsplit_once(char::is_whitespace)
        .ok_or_else(|| Failure::usage(format!("'{line}' is not `prefix value`")))?;
    entry(prefix.trim_end(), value, style)
}

/// Where a comment begins that follows something: at a `#` after whitespace.
pub fn comment(line: &str) -> Option<usize> {
    let mut signs = line.match_indices('#').map(|(at, _)| at);
    signs.find(|at| line[..*at].ends_with(char::is_whitespace))
}

/// `prefix,value`; between quotation marks, "" is a quotation mark, and a comma does not separate.
fn csv_line(line: &str, style: &Style) -> Result<Entry> {
    match &csv_fields(line)[..] {
        [prefix, value] => entry(prefix, value, style),
        _ => Err(Failure::usage(format!("'{line}' is not `prefix,value`"))),
    }
}

fn csv_fields(line: &str) -> Vec<String> {
    let (mut fields, mut quoted) = (vec![String::new()], false);
    let mut rest = line.chars().peekable();
    while let (Some(char), Some(field)) = (rest.next(), fields.last_mut()) {
        match char {
            '"' if quoted && rest.next_if_eq(&'"').is_some() => field.push('"'),
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            // Around a comma.
            ' ' | '\t' if !quoted && field.is_empty() => {}
            _ => field.push(char),
        }
    }
    fields
}

/// `{"prefix": …, "value": …}`, with a number or a string for the value.
fn json_line(line: &str, style: &Style) -> Result<Entry> {
    let object: Json = serde_json::from_str(line)
        .map_err(|error| Failure::usage(format!("not a JSON object: {error}")))?;
    let (Some(prefix), Some(value)) = (object["prefix"].as_str(), object.get("value")) else {
        return Err(Failure::usage(
            r#"expected {"prefix": "…", "value": …}"#.to_owned(),
        ));
    };
    let value = style.value.parse_json(value, style.value_size)?;
    Ok((style.key.parse(prefix)?, value))
}

fn entry(prefix: &str, value: &str, style: &Style) -> Result<(BytePrefix, Bytes)> {
    Ok((style.key.parse(prefix)?, style.parse_value(value)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{form::Form, key::KeyKind, output, value::ValueKind};

    fn style(key: KeyKind) -> Style {
        Style {
            key,
            value: Form::Whole(ValueKind::Unsigned),
            value_size: 4,
        }
    }

    #[test]
    fn the_three_formats_say_the_same() {
        let v4 = style(KeyKind::Ipv4);
        let text = parse(
            "# c\n\n10.0.0.0/8  7\n10.1.2.3\t8 # d # e\n",
            Format::Text,
            &v4,
            4,
            None,
        );
        let csv = parse(
            "prefix,value\n10.0.0.0/8,7\n10.1.2.3, 8\n",
            Format::Csv,
            &v4,
            4,
            None,
        );
        let json = parse(
            "{\"prefix\": \"10.0.0.0/8\", \"value\": 7}\n{\"value\":\"8\",\"prefix\":\"10.1.2.3\"}",
            Format::Json,
            &v4,
            4,
            None,
        );
        let text = text.unwrap();
        assert_eq!(text.len(), 2);
        assert_eq!(text[1].1.0, 8u32.to_ne_bytes());
        assert_eq!(csv.unwrap(), text);
        assert_eq!(json.unwrap(), text);
    }

    #[test]
    fn what_is_dumped_is_read_as_the_same() {
        let path = style(KeyKind::Path);
        let value = Bytes(9u32.to_ne_bytes().to_vec());
        for key in [
            "/usr/",
            "a b",
            "a,b",
            "say \"so\"",
            "#x",
            "a #b",
            "a#b",
            " y",
            "\n",
            "a\",1",
        ] {
            for format in [Format::Text, Format::Csv, Format::Json] {
                let entry = (BytePrefix::from(key), value.clone());
                let line = output::line(&entry, format, &path);
                let read = parse(&line, format, &path, 64, None).unwrap();
                assert_eq!(read, [entry], "{format:?}: {line}");
            }
        }
    }

    #[test]
    fn each_wrong_line_is_named() {
        let v4 = style(KeyKind::Ipv4);
        let wrong = parse(
            "10.0.0.0/8 7\nx 1\n10.0.0.0/8\n::/0 1\n1.1.1.1 -1",
            Format::Text,
            &v4,
            4,
            None,
        );
        let wrong = wrong.unwrap_err();
        assert_eq!(wrong.len(), 4);
        assert!(wrong[0].starts_with("line 2: 'x' is not an IPv4 prefix"));
        assert!(wrong[1].starts_with("line 3:"));
        assert!(wrong[3].starts_with("line 5: the value '-1' is not"));
        let long = parse("/usr/lib 1", Format::Text, &style(KeyKind::Path), 4, None).unwrap_err();
        assert_eq!(
            long,
            ["line 1: the prefix has 8 bytes, the map's keys have 4"]
        );
    }

    #[test]
    fn of_a_mixed_list_one_family_is_read() {
        let list = "10.0.0.0/8 1\n2001:db8::/32 2\n";
        for (kind, other) in [
            (KeyKind::Ipv4, KeyKind::Ipv6),
            (KeyKind::Ipv6, KeyKind::Ipv4),
        ] {
            assert_eq!(kind.other_family(), Some(other));
            let read = parse(list, Format::Text, &style(kind), 16, Some(&style(other))).unwrap();
            assert_eq!(read.len(), 1);
            let neither = "10.0.0.0/40 1\n2001:db8::/32 x\n";
            let wrong =
                parse(neither, Format::Text, &style(kind), 16, Some(&style(other))).unwrap_err();
            assert_eq!(wrong.len(), 2, "{kind:?}");
        }
    }

    #[test]
    fn the_format_is_guessed() {
        assert_eq!(guess(Path::new("x.csv"), ""), Format::Csv);
        assert_eq!(guess(Path::new("-"), "# c\n{\"prefix\""), Format::Json);
        assert_eq!(guess(Path::new("x"), "10.0.0.0/8,1"), Format::Csv);
        assert_eq!(guess(Path::new("x"), "10.0.0.0/8 1"), Format::Text);
    }
}
