// SPDX-License-Identifier: MIT OR Apache-2.0
//! How the values of a map are written: as one number, as bytes, or field by
//! field where the map's BTF names them.

use lpm_mtrie::{Bytes, Field, Integer, Layout};
use serde_json::{Map, Value as Json};

use crate::{
    failure::{Failure, Result},
    value::ValueKind,
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// The whole value is a number, or bytes.
    Whole(ValueKind),
    /// `packets=1,age=-5`; an object in JSON.
    Fields(Vec<Field>),
}

impl Form {
    /// The user's choice, else according to BTF, else what most values of the size are.
    pub fn of(said: Option<ValueKind>, layout: Option<Layout>, size: usize) -> Result<Self> {
        if let Some(kind) = said {
            return kind.check(size).map(Self::Whole);
        }
        let fits = |field: &Field| {
            let Integer { size: bytes, .. } = field.integer;
            kind(field.integer).check(bytes).is_ok() && field.offset + bytes <= size
        };
        Ok(match layout {
            Some(Layout::Integer(integer)) if integer.size == size => Self::Whole(kind(integer)),
            Some(Layout::Fields(fields)) if fields.iter().all(fits) => Self::Fields(fields),
            _ => Self::Whole(ValueKind::guess(size)),
        })
    }

    pub fn parse(&self, text: &str, size: usize) -> Result<Bytes> {
        let fields = match self {
            Self::Whole(kind) => return kind.parse(text, size),
            Self::Fields(fields) => fields,
        };
        let given: Option<Vec<_>> = text.split(',').map(|part| part.split_once('=')).collect();
        let given = given.ok_or_else(|| wrong(text, fields))?;
        assemble(fields, text, size, &given, |field, text| {
            kind(field.integer).parse(text, field.integer.size)
        })
    }

    pub fn parse_json(&self, json: &Json, size: usize) -> Result<Bytes> {
        match (self, json) {
            (Self::Whole(kind), _) => kind.parse_json(json, size),
            (Self::Fields(fields), Json::Object(object)) => {
                let given: Vec<_> = object
                    .iter()
                    .map(|(name, json)| (name.as_str(), json))
                    .collect();
                assemble(fields, &json.to_string(), size, &given, |field, json| {
                    kind(field.integer).parse_json(json, field.integer.size)
                })
            }
            (Self::Fields(fields), _) => Err(wrong(&json.to_string(), fields)),
        }
    }

    /// The value as text would set it: bytes that belong to no field are zero.
    pub fn without_padding(&self, value: Bytes) -> Bytes {
        let Self::Fields(fields) = self else {
            return value;
        };
        let mut named = vec![0; value.0.len()];
        for Field {
            offset, integer, ..
        } in fields
        {
            let bytes = *offset..offset + integer.size;
            named[bytes.clone()].copy_from_slice(&value.0[bytes]);
        }
        Bytes(named)
    }

    pub fn format(&self, value: &Bytes) -> String {
        match self {
            Self::Whole(kind) => kind.format(value),
            Self::Fields(fields) => {
                let parts = fields.iter().map(|field| {
                    let number = kind(field.integer).format(&part(field, value));
                    format!("{}={number}", field.name)
                });
                parts.collect::<Vec<_>>().join(",")
            }
        }
    }

    pub fn json(&self, value: &Bytes) -> Json {
        match self {
            Self::Whole(kind) => kind.json(value),
            Self::Fields(fields) => {
                let parts = fields.iter().map(|field| {
                    let number = kind(field.integer).json(&part(field, value));
                    (field.name.clone(), number)
                });
                Json::Object(parts.collect::<Map<_, _>>())
            }
        }
    }
}

fn kind(integer: Integer) -> ValueKind {
    if integer.signed {
        ValueKind::Signed
    } else {
        ValueKind::Unsigned
    }
}

fn part(field: &Field, value: &Bytes) -> Bytes {
    Bytes(value.0[field.offset..][..field.integer.size].to_vec())
}

/// The value whose fields are all given, each once; padding between them is zero.
fn assemble<T>(
    fields: &[Field],
    text: &str,
    size: usize,
    given: &[(&str, T)],
    parse: impl Fn(&Field, &T) -> Result<Bytes>,
) -> Result<Bytes> {
    if given.len() != fields.len() {
        return Err(wrong(text, fields));
    }
    let mut value = vec![0; size];
    for field in fields {
        let part = given.iter().find(|(name, _)| *name == field.name);
        let (_, part) = part.ok_or_else(|| wrong(text, fields))?;
        let bytes = parse(field, part)?;
        value[field.offset..][..bytes.0.len()].copy_from_slice(&bytes.0);
    }
    Ok(Bytes(value))
}

fn wrong(text: &str, fields: &[Field]) -> Failure {
    let names: Vec<_> = fields
        .iter()
        .map(|field| format!("{}=N", field.name))
        .collect();
    Failure::usage(format!(
        "the value '{text}' is not {}, the fields of the map's values; \
         --value hex accepts their bytes",
        names.join(",")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts() -> Layout {
        let field = |name: &str, offset, size, signed| Field {
            name: name.to_owned(),
            offset,
            integer: Integer { size, signed },
        };
        Layout::Fields(vec![
            field("packets", 0, 8, false),
            field("age", 8, 4, true),
        ])
    }

    #[test]
    fn fields_are_written_by_name() {
        let form = Form::of(None, Some(counts()), 16).unwrap();
        let value = form.parse("age=-5,packets=7", 16).unwrap();
        assert_eq!(value.0[..8], 7u64.to_ne_bytes());
        assert_eq!(value.0[8..12], (-5i32).to_ne_bytes());
        assert_eq!(value.0[12..], [0; 4]);
        assert_eq!(form.format(&value), "packets=7,age=-5");
        let mut padded = value.clone();
        padded.0[12..].fill(0xaa);
        assert_eq!(form.without_padding(padded), value);
        let json = form.json(&value);
        assert_eq!(json, serde_json::json!({ "packets": 7, "age": -5 }));
        assert_eq!(form.parse_json(&json, 16).unwrap(), value);
        for wrong in [
            "7",
            "packets=7",
            "packets=7,packets=7",
            "packets=7,age=x",
            "",
        ] {
            assert!(form.parse(wrong, 16).is_err(), "{wrong}");
        }
        assert!(form.parse_json(&Json::from(7), 16).is_err());
    }

    #[test]
    fn btf_that_does_not_fit_is_not_believed() {
        let hex = Form::Whole(ValueKind::Hex);
        assert_eq!(Form::of(None, Some(counts()), 11).unwrap(), hex);
        assert_eq!(
            Form::of(Some(ValueKind::Hex), Some(counts()), 16).unwrap(),
            hex
        );
        let signed = Integer {
            size: 4,
            signed: true,
        };
        let form = Form::of(None, Some(Layout::Integer(signed)), 4).unwrap();
        assert_eq!(form, Form::Whole(ValueKind::Signed));
        let form = Form::of(None, Some(Layout::Integer(signed)), 8).unwrap();
        assert_eq!(form, Form::Whole(ValueKind::Unsigned));
    }
}
