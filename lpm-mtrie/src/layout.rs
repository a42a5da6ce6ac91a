// SPDX-License-Identifier: MIT OR Apache-2.0
//! The layout of a value according to BTF, if it is a simple one.

use crate::btf::{Btf, BtfError, Type};

/// An integer, in machine byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Integer {
    /// Its size in bytes.
    pub size: usize,
    /// Whether it is signed.
    pub signed: bool,
}

/// An integer in a structure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name in C.
    pub name: String,
    /// Where it begins, in bytes.
    pub offset: usize,
    /// Its type.
    pub integer: Integer,
}

/// A type that is an integer, or a structure of named integers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layout {
    /// One integer.
    Integer(Integer),
    /// Integers with names, in the order of the structure.
    Fields(Vec<Field>),
}

const KIND_INT: u32 = 1;
const KIND_STRUCT: u32 = 4;
/// typedef, volatile, const, restrict, type_tag: another name for a type.
const NAMES: [u32; 5] = [8, 9, 10, 11, 18];
/// Longer chains of names are cycles, which the kernel does not accept.
const MOST_NAMES: usize = 64;

impl Layout {
    /// The layout of a type in a blob; `None` if it is anything else.
    pub fn of(btf: &Btf<'_>, id: u32) -> Result<Option<Self>, BtfError> {
        let Some(found) = resolve(btf, id)? else {
            return Ok(None);
        };
        match found.kind {
            KIND_INT => Ok(integer(&found).map(Self::Integer)),
            KIND_STRUCT => fields(btf, &found),
            _ => Ok(None),
        }
    }
}

/// The type that `id` is an alias of, or itself.
fn resolve<'a>(btf: &Btf<'a>, mut id: u32) -> Result<Option<Type<'a>>, BtfError> {
    for _ in 0..MOST_NAMES {
        match btf.by_id(id)? {
            Some(found) if NAMES.contains(&found.kind) => id = found.size_or_type,
            found => return Ok(found),
        }
    }
    Ok(None)
}

fn integer(found: &Type<'_>) -> Option<Integer> {
    let size = found.size_or_type as usize;
    let encoding = u32::from_ne_bytes(found.body.try_into().ok()?);
    let whole = (encoding & 0xff) as usize == size * 8 && encoding >> 16 & 0xff == 0;
    let signed = encoding >> 24 & 1 != 0;
    whole.then_some(Integer { size, signed })
}

/// All members must be named integers that start at whole bytes and are no bit fields.
fn fields(btf: &Btf<'_>, found: &Type<'_>) -> Result<Option<Layout>, BtfError> {
    let mut fields = vec![];
    for member in found.body.chunks_exact(12) {
        let word = |n: usize| {
            let bytes = member[n * 4..][..4].try_into();
            u32::from_ne_bytes(bytes.expect("a member has three words"))
        };
        let (name, id, offset) = (btf.string(word(0)), word(1), word(2));
        let bitfield = found.flag && offset >> 24 != 0;
        let resolved = resolve(btf, id)?.filter(|member| member.kind == KIND_INT);
        let integer = resolved.as_ref().and_then(integer);
        match (name, integer) {
            (Some(name), Some(integer))
                if !name.is_empty() && !bitfield && offset.is_multiple_of(8) =>
            {
                fields.push(Field {
                    name: name.to_owned(),
                    offset: offset as usize / 8,
                    integer,
                });
            }
            _ => return Ok(None),
        }
    }
    Ok((!fields.is_empty()).then_some(Layout::Fields(fields)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::btf::tests::blob;

    // Offsets: 1 "packets", 9 "age", 13 "counts".
    const STRINGS: &[u8] = b"\0packets\0age\0counts\0";
    const U64: [u32; 4] = [0, 1 << 24, 8, 64];
    const S32: [u32; 4] = [0, 1 << 24, 4, 1 << 24 | 32];
    /// typedef of type 1.
    const NAME: [u32; 3] = [1, 8 << 24, 1];

    fn layout(types: &[&[u32]], id: u32) -> Option<Layout> {
        let blob = blob(&types.concat(), STRINGS, &[]);
        Layout::of(&Btf::parse(&blob).unwrap(), id).unwrap()
    }

    #[test]
    fn integers_and_their_names() {
        let u64_ = Layout::Integer(Integer {
            size: 8,
            signed: false,
        });
        assert_eq!(layout(&[&U64, &S32, &NAME], 1), Some(u64_.clone()));
        assert_eq!(layout(&[&U64, &S32, &NAME], 3), Some(u64_));
        let s32 = layout(&[&U64, &S32, &NAME], 2);
        let signed = matches!(
            s32,
            Some(Layout::Integer(Integer {
                size: 4,
                signed: true
            }))
        );
        assert!(signed, "{s32:?}");
        assert_eq!(layout(&[&U64], 2), None, "there is no such type");
        assert_eq!(layout(&[&[1, 8 << 24, 1]], 1), None, "an alias of itself");
    }

    #[test]
    fn a_structure_of_integers() {
        let counts = [13, 4 << 24 | 2, 16, 1, 3, 0, 9, 2, 64];
        let Some(Layout::Fields(fields)) = layout(&[&U64, &S32, &NAME, &counts], 4) else {
            panic!("not a structure");
        };
        let fields: Vec<_> = fields
            .iter()
            .map(|field| (field.name.as_str(), field.offset, field.integer.size))
            .collect();
        assert_eq!(fields, [("packets", 0, 8), ("age", 8, 4)]);
    }

    #[test]
    fn anything_else_has_no_layout() {
        let pointer = [0, 2 << 24, 1];
        assert_eq!(layout(&[&U64, &pointer], 2), None);
        let bitfield = [13, 1 << 31 | 4 << 24 | 1, 8, 1, 1, 3 << 24];
        assert_eq!(layout(&[&U64, &bitfield], 2), None);
        let of_pointers = [13, 4 << 24 | 1, 8, 1, 2, 0];
        assert_eq!(layout(&[&U64, &pointer, &of_pointers], 3), None);
        let nameless = [13, 4 << 24 | 1, 8, 0, 1, 0];
        assert_eq!(layout(&[&U64, &nameless], 2), None);
    }
}
