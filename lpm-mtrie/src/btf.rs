// SPDX-License-Identifier: MIT OR Apache-2.0
//! Finds the value of an enumerator, and the id of a function, in a BTF blob.
//!
//! aya-obj keeps its enum variants private, and its parser expects 16 bits of vlen and 5 of kind,
//! where Linux 7.3 has 24 and 7; a walk that skips all other kinds is short. Source of the format:
//! `include/uapi/linux/btf.h`.

use std::iter;

use thiserror::Error;

const MAGIC: u16 = 0xeb9f;
const TYPE_SIZE: usize = 12;
const KIND_ENUM: u32 = 6;
const KIND_FUNC: u32 = 12;

/// Bytes after a `struct btf_type`: a fixed part, and a part for each of its vlen members; the
/// index is the kind.
const LAYOUT: [(usize, usize); 20] = [
    (0, 0),  // unknown (void)
    (4, 0),  // int
    (0, 0),  // ptr
    (12, 0), // array
    (0, 12), // struct
    (0, 12), // union
    (0, 8),  // enum
    (0, 0),  // fwd
    (0, 0),  // typedef
    (0, 0),  // volatile
    (0, 0),  // const
    (0, 0),  // restrict
    (0, 0),  // func
    (0, 8),  // func_proto
    (4, 0),  // var
    (0, 12), // datasec
    (0, 0),  // float
    (4, 0),  // decl_tag
    (0, 0),  // type_tag
    (0, 12), // enum64
];

/// Why a BTF blob could not be read.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum BtfError {
    /// It does not begin with BTF's magic number.
    #[error("not BTF of this machine's byte order (magic {0:#06x}, expected 0xeb9f)")]
    Magic(u16),
    /// It is truncated.
    #[error("BTF ends early: {what} needs the bytes up to {end}, there are {len}")]
    Short {
        /// What is truncated.
        what: &'static str,
        /// Where that would end.
        end: usize,
        /// Where the bytes end.
        len: usize,
    },
    /// A kind of type of unknown size.
    #[error("BTF type {id} has kind {kind}, whose size neither this program nor the blob knows")]
    Kind {
        /// The type's id.
        id: u32,
        /// Its kind.
        kind: u32,
    },
}

/// A view of a BTF blob: its type and string sections.
pub struct Btf<'a> {
    types: &'a [u8],
    strings: &'a [u8],
    /// `struct btf_layout` per kind, if the blob has it (Linux 7.1 and later).
    layout: &'a [u8],
}

/// One type: `name` is the offset of its name, `body` what follows `struct btf_type`.
pub(crate) struct Type<'a> {
    id: u32,
    pub kind: u32,
    name: u32,
    /// Its kind_flag: for a structure, whether its members' offsets also hold sizes.
    pub flag: bool,
    /// Its size, or the id of the type that it is an alias of.
    pub size_or_type: u32,
    pub body: &'a [u8],
}

impl<'a> Btf<'a> {
    /// Finds the sections of a blob.
    pub fn parse(blob: &'a [u8]) -> Result<Self, BtfError> {
        let header = slice(blob, 0, 24, "the header")?;
        let magic = u16::from_ne_bytes([header[0], header[1]]);
        if magic != MAGIC {
            return Err(BtfError::Magic(magic));
        }
        let hdr_len = u32_at(header, 4) as usize;
        let section = |at: usize, what| {
            let offset = hdr_len + u32_at(blob, at) as usize;
            slice(blob, offset, u32_at(blob, at + 4) as usize, what)
        };
        Ok(Self {
            types: section(8, "the type section")?,
            strings: section(16, "the string section")?,
            layout: if hdr_len >= 32 && blob.len() >= 32 {
                section(24, "the layout section")?
            } else {
                &[]
            },
        })
    }

    /// The value of `enumerator` in the enum named `name`; `None` if there is no such enum, or no
    /// such enumerator in it.
    pub fn enumerator(&self, name: &str, enumerator: &str) -> Result<Option<u32>, BtfError> {
        for found in self.types() {
            let found = found?;
            if found.kind != KIND_ENUM || !self.string_is(found.name, name) {
                continue;
            }
            let mut members = found.body.chunks_exact(8);
            if let Some(member) =
                members.find(|member| self.string_is(u32_at(member, 0), enumerator))
            {
                return Ok(Some(u32_at(member, 4)));
            }
        }
        Ok(None)
    }

    /// The type id of the function named `name`, which a call of a kfunc needs.
    pub fn function(&self, name: &str) -> Result<Option<u32>, BtfError> {
        for found in self.types() {
            let found = found?;
            if found.kind == KIND_FUNC && self.string_is(found.name, name) {
                return Ok(Some(found.id));
            }
        }
        Ok(None)
    }

    /// The type with an id; `None` for void, and beyond the last one.
    pub(crate) fn by_id(&self, id: u32) -> Result<Option<Type<'a>>, BtfError> {
        self.types()
            .find(|found| found.as_ref().map_or(true, |found| found.id == id))
            .transpose()
    }

    /// A string of the string section.
    pub(crate) fn string(&self, offset: u32) -> Option<&'a str> {
        let rest = self.strings.get(offset as usize..)?;
        let end = rest.iter().position(|byte| *byte == 0)?;
        str::from_utf8(&rest[..end]).ok()
    }

    fn types(&self) -> impl Iterator<Item = Result<Type<'a>, BtfError>> {
        let (mut at, mut id) = (0, 0);
        iter::from_fn(move || {
            if at >= self.types.len() {
                return None;
            }
            id += 1;
            let found = self.type_at(at, id);
            // After an error nothing can be found.
            at = found
                .as_ref()
                .map_or(self.types.len(), |found| at + TYPE_SIZE + found.body.len());
            Some(found)
        })
    }

    fn type_at(&self, at: usize, id: u32) -> Result<Type<'a>, BtfError> {
        let head = slice(self.types, at, TYPE_SIZE, "a type")?;
        let info = u32_at(head, 4);
        let kind = info >> 24 & 0x7f;
        let vlen = (info & 0xff_ffff) as usize;
        let (fixed, each) = self.size_of(kind).ok_or(BtfError::Kind { id, kind })?;
        Ok(Type {
            id,
            kind,
            name: u32_at(head, 0),
            flag: info >> 31 != 0,
            size_or_type: u32_at(head, 8),
            body: slice(self.types, at + TYPE_SIZE, fixed + each * vlen, "a type")?,
        })
    }

    fn size_of(&self, kind: u32) -> Option<(usize, usize)> {
        let kind = kind as usize;
        LAYOUT.get(kind).copied().or_else(|| {
            let entry = self.layout.get(kind * 4..kind * 4 + 2)?;
            Some((usize::from(entry[0]), usize::from(entry[1])))
        })
    }

    fn string_is(&self, offset: u32, expected: &str) -> bool {
        self.strings
            .get(offset as usize..)
            .and_then(|rest| rest.strip_prefix(expected.as_bytes()))
            .is_some_and(|rest| rest.first() == Some(&0))
    }
}

fn slice<'a>(
    bytes: &'a [u8],
    start: usize,
    len: usize,
    what: &'static str,
) -> Result<&'a [u8], BtfError> {
    let end = start.saturating_add(len);
    bytes.get(start..end).ok_or(BtfError::Short {
        what,
        end,
        len: bytes.len(),
    })
}

/// The caller has checked that four bytes are there.
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_ne_bytes(word)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub fn blob(types: &[u32], strings: &[u8], layout: &[u8]) -> Vec<u8> {
        let type_len = types.len() as u32 * 4;
        let str_len = strings.len() as u32;
        let mut out = vec![];
        out.extend(MAGIC.to_ne_bytes());
        out.extend([1, 0]);
        let layout_off = type_len + str_len;
        for word in [
            32,
            0,
            type_len,
            type_len,
            str_len,
            layout_off,
            layout.len() as u32,
        ] {
            out.extend(word.to_ne_bytes());
        }
        for word in types {
            out.extend(word.to_ne_bytes());
        }
        out.extend(strings);
        out.extend(layout);
        out
    }

    // Offsets: 1 "colour", 8 "RED", 12 "GREEN".
    const STRINGS: &[u8] = b"\0colour\0RED\0GREEN\0";
    const INT: [u32; 4] = [0, 1 << 24, 4, 32];
    const COLOUR: [u32; 7] = [1, 6 << 24 | 2, 4, 8, 10, 12, 20];

    #[test]
    fn finds_an_enumerator_after_other_types() {
        let blob = blob(&[&INT[..], &COLOUR].concat(), STRINGS, &[]);
        let btf = Btf::parse(&blob).unwrap();
        assert_eq!(btf.enumerator("colour", "GREEN"), Ok(Some(20)));
        assert_eq!(btf.enumerator("colour", "RED"), Ok(Some(10)));
    }

    #[test]
    fn finds_a_function_by_its_id() {
        // FUNC "RED" of prototype 4, FUNC "GREEN".
        let functions = [8, 12 << 24, 4, 12, 12 << 24, 4];
        let blob = blob(&[&INT[..], &COLOUR, &functions].concat(), STRINGS, &[]);
        let btf = Btf::parse(&blob).unwrap();
        assert_eq!(btf.function("RED"), Ok(Some(3)));
        assert_eq!(btf.function("GREEN"), Ok(Some(4)));
        assert_eq!(btf.function("colour"), Ok(None), "that is an enum");
    }

    #[test]
    fn a_missing_name_is_none_and_a_prefix_does_not_match() {
        let blob = blob(&COLOUR, STRINGS, &[]);
        let btf = Btf::parse(&blob).unwrap();
        assert_eq!(btf.enumerator("colour", "BLUE"), Ok(None));
        assert_eq!(btf.enumerator("colour", "GREE"), Ok(None));
        assert_eq!(btf.enumerator("col", "RED"), Ok(None));
    }

    #[test]
    fn an_unknown_kind_is_skipped_by_the_layout_section() {
        let unknown = [0, 20 << 24 | 1, 0, 7, 7];
        let types = [&unknown[..], &COLOUR].concat();
        // 20 known kinds, then kind 20: 4 fixed bytes and 4 for each member.
        let layout: Vec<u8> = [[0; 4]; 20]
            .concat()
            .into_iter()
            .chain([4, 4, 0, 0])
            .collect();
        let with = blob(&types, STRINGS, &layout);
        assert_eq!(
            Btf::parse(&with).unwrap().enumerator("colour", "RED"),
            Ok(Some(10))
        );
        let without = blob(&types, STRINGS, &[]);
        assert_eq!(
            Btf::parse(&without).unwrap().enumerator("colour", "RED"),
            Err(BtfError::Kind { id: 1, kind: 20 })
        );
    }

    #[test]
    fn a_truncated_blob_is_an_error() {
        let blob = blob(&COLOUR, STRINGS, &[]);
        assert!(matches!(
            Btf::parse(&blob[..20]),
            Err(BtfError::Short { .. })
        ));
        assert!(matches!(
            Btf::parse(&blob[..40]),
            Err(BtfError::Short { .. })
        ));
        assert_eq!(Btf::parse(&[0; 24]).err(), Some(BtfError::Magic(0)));
    }
}
