// SPDX-License-Identifier: GPL-2.0
//! Entry blocks: one separately allocated block per prefix.
//!
//! ```text
//! 0            value_size, rounded up to 2
//! | value      | prefixlen, WHOLE: u16 | data |
//! ```
//!
//! The value comes first, so that the entry's address is the value's address, which programs keep.
//! Programs and the map layer write it concurrently with readers: the core never reads it and never
//! forms a reference to it. prefixlen and data are written before the entry is published and never
//! after.
//!
//! Data beyond prefixlen is kept, but it is mostly zeroes, and these are not stored: unless WHOLE
//! is set, the block ends with the prefix, see `Geometry::stored`.

use super::{
    item::Item,
    prefix::{agree, common_bits, Geometry, Prefix},
    slot::{Raw, Slot, Target},
};
use core::{alloc::Layout, marker::PhantomData, ptr::NonNull, slice};

/// All bytes of data are stored. A prefixlen is at most 2,048.
const WHOLE: u16 = 1 << 15;

/// A filled entry block that is not in a trie yet; the caller allocated it and wrote the value.
#[must_use = "the block leaks unless it is inserted or taken back with into_ptr"]
#[derive(Debug)]
pub struct NewEntry(NonNull<u8>);

impl NewEntry {
    /// Takes ownership of a block.
    ///
    /// # Safety
    ///
    /// `ptr` is a block for the `entry_layout()` of the prefix that it will be inserted under, from
    /// the allocator behind the `Memory` that the trie is used with, and the caller gives up
    /// its ownership.
    pub unsafe fn new(ptr: NonNull<u8>) -> Self {
        Self(ptr)
    }

    /// Returns the block.
    pub fn into_ptr(self) -> NonNull<u8> {
        self.0
    }

    /// Writes prefixlen and data, and hands over the block.
    pub(super) fn fill(self, geometry: &Geometry, prefix: Prefix<'_>) -> NonNull<u8> {
        let stored = prefix.stored(geometry);
        let whole = if stored == geometry.stored(prefix.prefixlen()) {
            0
        } else {
            WHOLE
        };
        let data = prefix.bytes(0, stored);
        // SAFETY: the block has the prefix's entry_layout (contract of `new`), both ranges lie
        // inside and after the value, the u16 is aligned (even offset from an 8-byte boundary), and
        // nobody else has seen the block.
        unsafe {
            self.0
                .add(geometry.prefixlen_offset())
                .cast::<u16>()
                .write(prefix.prefixlen() as u16 | whole);
            self.0
                .add(geometry.data_offset())
                .copy_from_nonoverlapping(NonNull::from(data).cast(), data.len());
        }
        self.0
    }
}

/// A published entry that stays readable for `'a`.
///
/// # Invariants
///
/// The pointer is to an entry block of the trie at hand, whose prefixlen and data are not written
/// during `'a`.
#[derive(Clone, Copy)]
pub(super) struct EntryRef<'a>(NonNull<u8>, PhantomData<&'a u8>);

impl<'a> EntryRef<'a> {
    /// # Safety
    ///
    /// The type's invariants hold for `'a`.
    pub(super) unsafe fn new(ptr: NonNull<u8>) -> Self {
        // INVARIANT: passed on to the caller.
        Self(ptr, PhantomData)
    }

    pub(super) fn ptr(self) -> NonNull<u8> {
        self.0
    }

    #[inline]
    fn head(self, geometry: &Geometry) -> u16 {
        // SAFETY: by the invariants this reads an initialised, aligned u16 that nobody writes.
        unsafe { self.0.add(geometry.prefixlen_offset()).cast::<u16>().read() }
    }

    #[inline]
    pub(super) fn prefixlen(self, geometry: &Geometry) -> u32 {
        u32::from(self.head(geometry) & !WHOLE)
    }

    /// Bytes of data in the block.
    #[inline]
    fn stored(self, geometry: &Geometry) -> usize {
        let head = self.head(geometry);
        if head & WHOLE != 0 {
            geometry.data_size()
        } else {
            geometry.stored(head.into())
        }
    }

    pub(super) fn layout(self, geometry: &Geometry) -> Layout {
        geometry.layout(self.stored(geometry))
    }

    /// The data, except zeroes that are not stored: at least what belongs to the prefix.
    #[inline(always)]
    pub(super) fn data(self, geometry: &Geometry) -> &'a [u8] {
        // SAFETY: by the invariants these bytes are initialised and not written during 'a; the
        // value is not among them.
        unsafe {
            slice::from_raw_parts(
                self.0.add(geometry.data_offset()).as_ptr(),
                self.stored(geometry),
            )
        }
    }

    /// For the slot of an internal prefix.
    pub(super) fn internal(self) -> Raw {
        // SAFETY: by the invariants an entry block.
        unsafe { Raw::internal(self.0) }
    }

    /// For the slots of a full node that the internal prefix is pushed into.
    pub(super) fn pushed(self) -> Raw {
        // SAFETY: by the invariants an entry block.
        unsafe { Raw::pushed(self.0) }
    }

    /// For a slot that `start` bytes lead to.
    pub(super) fn leaf(self, geometry: &Geometry, start: usize) -> Raw {
        // SAFETY: by the invariants an entry block.
        unsafe { Raw::leaf(self.0, self.prefixlen(geometry) as usize == 8 * start) }
    }

    /// The item of a node at `depth` that this entry is, and what its slot holds; the prefixlen is
    /// at least 8 * depth.
    pub(super) fn item(self, geometry: &Geometry, depth: usize) -> (Item, Raw) {
        let item = Item::of(self.data(geometry), self.prefixlen(geometry), depth);
        (item, self.raw(geometry, item, depth))
    }

    /// What the slot of `item`, in a node at `depth`, holds if this entry is there.
    pub(super) fn raw(self, geometry: &Geometry, item: Item, depth: usize) -> Raw {
        match item {
            Item::Internal(_) => self.internal(),
            Item::Child(_) => self.leaf(geometry, depth + 1),
        }
    }

    /// Whether the entry's prefix covers `key`, whose bytes before `from` are known to agree.
    // Always inlined, for lookups: the comparison is short where the keys' size is known.
    #[inline(always)]
    pub(super) fn covers(self, geometry: &Geometry, key: Prefix<'_>, from: usize) -> bool {
        let prefixlen = self.prefixlen(geometry);
        prefixlen <= key.prefixlen() && agree(self.data(geometry), key.data(), from, prefixlen)
    }

    /// Leading bits shared with `prefix`, at most the length of the shorter one; bytes before
    /// `from` are known to agree.
    pub(super) fn common(self, geometry: &Geometry, prefix: Prefix<'_>, from: usize) -> u32 {
        let limit = self.prefixlen(geometry).min(prefix.prefixlen());
        common_bits(self.data(geometry), prefix.data(), from, limit)
    }
}

impl Slot {
    /// The entry that the slot leads to. Whoever holds a slot for `'a` is in a reader section or is
    /// the writer, so the block lives that long.
    pub(super) fn entry<'a>(&'a self) -> Option<EntryRef<'a>> {
        match self.acquire().target() {
            // SAFETY: by the slot's invariants an entry block that was published; it is retired
            // after it became unreachable, and 'a lies in a reader section that keeps it, or
            // belongs to the writer, who retires.
            Target::Entry(ptr, _) => Some(unsafe { EntryRef::new(ptr) }),
            _ => None,
        }
    }
}

/// An entry of a trie, found by a lookup or a walk.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    entry: EntryRef<'a>,
    geometry: &'a Geometry,
}

impl<'a> Entry<'a> {
    pub(super) fn new(entry: EntryRef<'a>, geometry: &'a Geometry) -> Self {
        Self { entry, geometry }
    }

    /// Where the value is: `value_size` bytes, 8-byte aligned, readable and writable until the
    /// grace period after the entry's removal. Others may be writing it.
    #[inline]
    pub fn value_ptr(&self) -> NonNull<u8> {
        self.entry.ptr()
    }

    /// Length in bits.
    pub fn prefixlen(&self) -> u32 {
        self.entry.prefixlen(self.geometry)
    }

    /// The key data as it was given, bits beyond prefixlen included.
    pub fn data(&self) -> impl Iterator<Item = u8> + 'a {
        let stored = self.entry.data(self.geometry).iter().copied();
        let zeroes = core::iter::repeat(0);
        stored.chain(zeroes).take(self.geometry.data_size())
    }

    /// Whether [`data`](Self::data) gives these bytes.
    pub fn has_data(&self, data: &[u8]) -> bool {
        let stored = self.entry.data(self.geometry);
        match data.split_at_checked(stored.len()) {
            Some((first, beyond)) => first == stored && beyond.iter().all(|byte| *byte == 0),
            None => false,
        }
    }

    /// [`data`](Self::data) without the zeroes at its end that are not stored.
    #[inline]
    pub fn stored_data(&self) -> &'a [u8] {
        self.entry.data(self.geometry)
    }
}
