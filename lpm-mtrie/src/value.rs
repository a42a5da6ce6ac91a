// SPDX-License-Identifier: MIT OR Apache-2.0
//! The values of a map: plain data, or bytes of the map's value size.

use bytemuck::Pod;

/// A type whose values are bytes of a fixed layout. Every [`bytemuck::Pod`]
/// is one: integers, arrays, and structures that derive it; numbers are in the
/// machine's byte order, as BPF programs read them.
pub trait Value: Sized {
    /// How many bytes the map's values must have; `None` if the type accepts any size.
    const SIZE: Option<usize>;

    /// The value's bytes.
    fn bytes(&self) -> &[u8];

    /// The value with these bytes; there are [`Self::SIZE`] of them.
    fn from_bytes(bytes: &[u8]) -> Self;
}

impl<T: Pod> Value for T {
    const SIZE: Option<usize> = Some(size_of::<T>());

    fn bytes(&self) -> &[u8] {
        bytemuck::bytes_of(self)
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        bytemuck::pod_read_unaligned(bytes)
    }
}

/// A value of any size.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bytes(pub Vec<u8>);

impl Value for Bytes {
    const SIZE: Option<usize> = None;

    fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_data_and_bytes_come_back() {
        assert_eq!(u32::SIZE, Some(4));
        assert_eq!(u32::from_bytes(0x0102_0304u32.bytes()), 0x0102_0304);
        // Not at an aligned address.
        let bytes = [0, 1, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(u64::from_bytes(&bytes[1..]), u64::from_le(1).to_le());
        assert_eq!(Bytes::SIZE, None);
        assert_eq!(Bytes::from_bytes(&[1, 2]).bytes(), [1, 2]);
    }
}
