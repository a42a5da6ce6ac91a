// SPDX-License-Identifier: GPL-2.0
//! Node blocks: what a published node looks like, and how readers find their way in it.
//!
//! ```text
//! 0      head       depth | ranks (see Head)
//! 8      child      bitmap of the bytes under which there is more
//! 40     internal   bitmap of the prefixes that end in this stride, by base index
//! 72     slots      one for each bit: internal ones first, then children, both in order of their index
//! ..     skip       only if path compression jumped over bytes to get here: their number (u8), then the bytes
//! ```
//!
//! Nothing of it changes after publication except what slots hold: a child replaced by another one for the same byte, an
//! entry replaced by another one for the same prefix, or a slot made vacant and filled again.

use super::{
    build::Item,
    prefix::Prefix,
    slot::{Link, Raw, Slot},
    stride::{bits, count, longest, longest_upto, test, Bitmap},
};
use core::{alloc::Layout, marker::PhantomData, mem::size_of, ptr::NonNull, slice};

/// Depth, and the ranks that make the position of any slot the sum of two of these bytes and one popcount.
///
/// ```text
/// bits 0..8    depth: index of the key byte that this node looks at, 0 to 255
///      8..32   bits of the internal bitmap before its words 1, 2, 3 (the first is at most 63, and its byte's bit 7,
///              bit 15 here, says that there is a skip)
///     32..40   bits of the internal bitmap, at most 255: the number of the first child slot
///     40..64   bits of the child bitmap before its words 1, 2, 3
/// ```
#[derive(Clone, Copy)]
struct Head(u64);

const SKIP: u64 = 1 << 15;

impl Head {
    fn new(shape: &Shape, skip: bool) -> Self {
        let mut head = u64::from(shape.depth);
        let (mut internal, mut child) = (0u64, 0u64);
        for (w, (i, c)) in shape.internal.iter().zip(&shape.child).enumerate() {
            if w > 0 {
                head |= internal << (8 * w) | child << (32 + 8 * w);
            }
            internal += u64::from(i.count_ones());
            child += u64::from(c.count_ones());
        }
        head |= internal << 32;
        Head(if skip { head | SKIP } else { head })
    }

    #[inline]
    fn internals(self) -> usize {
        (self.0 >> 32 & 0xff) as usize
    }

    /// Bits of the internal bitmap before word `w` (0 to 3).
    #[inline]
    fn internals_before(self, w: u8) -> usize {
        ((self.0 & 0xffff_7f00) >> (8 * u32::from(w & 3)) & 0xff) as usize
    }

    /// Bits of the child bitmap before word `w` (0 to 3).
    #[inline]
    fn children_before(self, w: u8) -> usize {
        ((self.0 >> 32 & 0xffff_ff00) >> (8 * u32::from(w & 3)) & 0xff) as usize
    }
}

/// Size of a node without slots and skip.
pub(super) const FIXED_SIZE: usize = size_of::<Fixed>();

/// The fixed part of a node block.
#[repr(C)]
pub(super) struct Fixed {
    head: Head,
    child: Bitmap,
    internal: Bitmap,
}

/// Which slots a node has; together with its skip that is all about it except what the slots hold.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) depth: u8,
    pub(super) internal: Bitmap,
    pub(super) child: Bitmap,
}

impl Shape {
    pub(super) fn slots(&self) -> usize {
        count(&self.internal) + count(&self.child)
    }

    /// Word `w` of the internal (0 to 3) and the child bitmap (4 to 7).
    pub(super) fn word(&self, w: usize) -> Option<u64> {
        self.internal.iter().chain(&self.child).nth(w).copied()
    }
}

/// Where the slot with number `i` is.
fn slot_offset(i: usize) -> usize {
    FIXED_SIZE + i * size_of::<Slot>()
}

/// The block that a node with `slots` slots and `skip` skipped bytes needs.
pub(super) fn layout(slots: usize, skip: usize) -> Layout {
    let tail = if skip == 0 { 0 } else { 1 + skip };
    // SAFETY: 8 is a power of two; at most 72 + 511 * 8 + 256 bytes (slots are larger in the model checker, far from isize::MAX).
    unsafe { Layout::from_size_align_unchecked(slot_offset(slots) + tail, 8) }
}

/// Writes a node into a fresh block of `layout(shape.slots(), skip length)`; `skip` comes in parts, at most 255 bytes in all.
///
/// # Safety
///
/// The block has that layout and is nobody else's; `slots` yields at least `shape.slots()` values, internal ones first, then
/// children, in order of index; internal ones are vacant or entries.
pub(super) unsafe fn write(
    block: NonNull<u8>,
    shape: &Shape,
    slots: impl Iterator<Item = Raw>,
    skip: &[&[u8]],
) {
    let skip_len: usize = skip.iter().map(|part| part.len()).sum();
    let fixed = Fixed {
        head: Head::new(shape, skip_len > 0),
        internal: shape.internal,
        child: shape.child,
    };
    let total = shape.slots();
    // SAFETY: the block is ours and begins with a Fixed.
    unsafe { block.cast::<Fixed>().write(fixed) };
    for (i, raw) in slots.take(total).enumerate() {
        // SAFETY: i < total, so the slot lies in the block.
        unsafe {
            block
                .add(slot_offset(i))
                .cast::<Slot>()
                .write(Slot::new(raw))
        };
    }
    if skip_len > 0 {
        // SAFETY: a skip area of 1 + skip_len bytes follows the slots.
        let mut to = unsafe { block.add(slot_offset(total)) };
        // SAFETY: `to` is its first byte.
        unsafe { to.write(skip_len as u8) };
        for part in skip {
            for byte in *part {
                // SAFETY: 1 + skip_len bytes are written in all.
                unsafe {
                    to = to.add(1);
                    to.write(*byte);
                }
            }
        }
    }
}

/// A node that stays readable for `'a`.
///
/// # Invariants
///
/// The pointer is to a node block made by [`write`], and of the block only slots are written during `'a`, through `Slot`.
#[derive(Clone, Copy)]
pub(super) struct NodeRef<'a>(NonNull<Fixed>, PhantomData<&'a Fixed>);

impl<'a> NodeRef<'a> {
    /// # Safety
    ///
    /// The type's invariants hold for `'a`.
    #[inline]
    pub(super) unsafe fn new(ptr: NonNull<u8>) -> Self {
        // INVARIANT: passed on to the caller.
        Self(ptr.cast(), PhantomData)
    }

    pub(super) fn ptr(self) -> NonNull<u8> {
        self.0.cast()
    }

    #[inline]
    fn fixed(self) -> &'a Fixed {
        // SAFETY: by the invariants a Fixed that is not written during 'a.
        unsafe { self.0.as_ref() }
    }

    #[inline]
    pub(super) fn depth(self) -> usize {
        (self.fixed().head.0 & 0xff) as usize
    }

    #[inline]
    pub(super) fn has_internals(self) -> bool {
        self.fixed().head.internals() != 0
    }

    pub(super) fn shape(self) -> Shape {
        let fixed = self.fixed();
        Shape {
            depth: self.depth() as u8,
            internal: fixed.internal,
            child: fixed.child,
        }
    }

    /// The slot with number `i`.
    ///
    /// # Safety
    ///
    /// `i` is below the number of bits in both bitmaps.
    #[inline]
    unsafe fn slot(self, i: usize) -> &'a Slot {
        // SAFETY: the block has a slot for each bit, initialised by `write`, and slots are only written as atomics.
        unsafe {
            self.0
                .cast::<u8>()
                .add(slot_offset(i))
                .cast::<Slot>()
                .as_ref()
        }
    }

    /// All slots, in order.
    pub(super) fn slots(self) -> &'a [Slot] {
        let fixed = self.fixed();
        let total = fixed.head.internals() + count(&fixed.child);
        // SAFETY: as for `slot`, for all of them.
        unsafe {
            slice::from_raw_parts(
                self.0
                    .cast::<u8>()
                    .add(slot_offset(0))
                    .cast::<Slot>()
                    .as_ptr(),
                total,
            )
        }
    }

    /// Address of the first slot, good for all of them and for writing.
    pub(super) fn first_slot(self) -> NonNull<Slot> {
        // SAFETY: slots follow the fixed part within the block.
        unsafe { self.0.cast::<u8>().add(slot_offset(0)).cast() }
    }

    /// All items with their slots, in slot order.
    pub(super) fn items(self) -> impl Iterator<Item = (Item, &'a Slot)> {
        let fixed = self.fixed();
        let internal = bits(&fixed.internal).map(Item::Internal);
        internal
            .chain(bits(&fixed.child).map(Item::Child))
            .zip(self.slots())
    }

    /// The slot of byte `byte`'s child, if there is such a child.
    #[inline]
    pub(super) fn child(self, byte: u8) -> Option<&'a Slot> {
        let fixed = self.fixed();
        let (w, bit) = (byte >> 6, byte & 63);
        let word = fixed.child[w as usize] >> bit;
        if word & 1 == 0 {
            return None;
        }
        let below = (fixed.child[w as usize] & ((1 << bit) - 1)).count_ones() as usize;
        let i = fixed.head.internals() + fixed.head.children_before(w) + below;
        // SAFETY: the bit is set, so its rank plus the number of internal bits is below the number of all bits.
        Some(unsafe { self.slot(i) })
    }

    /// The slot of the internal prefix with base index `index`, if there is such a prefix.
    #[inline]
    pub(super) fn internal(self, index: u8) -> Option<&'a Slot> {
        let fixed = self.fixed();
        if !test(&fixed.internal, index) {
            return None;
        }
        let w = index >> 6;
        let below = (fixed.internal[w as usize] & ((1 << (index & 63)) - 1)).count_ones() as usize;
        // SAFETY: the bit is set, so its rank is below the number of internal bits.
        Some(unsafe { self.slot(fixed.head.internals_before(w) + below) })
    }

    /// The slot of item `index` in post-order numbering: an internal prefix (below 256) or a child.
    pub(super) fn item(self, index: u32) -> Option<&'a Slot> {
        if index < 256 {
            self.internal(index as u8)
        } else {
            self.child((index & 255) as u8)
        }
    }

    /// Base index of the longest internal prefix that covers `byte`; 0: none.
    #[inline]
    pub(super) fn longest(self, byte: u8) -> u8 {
        longest(&self.fixed().internal, byte)
    }

    /// As [`longest`](Self::longest), among those of at most `len` bits.
    pub(super) fn longest_upto(self, byte: u8, len: u32) -> u8 {
        longest_upto(&self.fixed().internal, byte, len)
    }

    /// The next item after `after` in post-order that is not vacant, and its number; `None`: no more.
    pub(super) fn following(self, mut after: u32) -> Option<(u32, Link<'a>)> {
        let fixed = self.fixed();
        loop {
            after = super::stride::following(&fixed.internal, &fixed.child, after);
            if after == 0 {
                return None;
            }
            match self.item(after)?.load() {
                Link::Vacant => {}
                link => return Some((after, link)),
            }
        }
    }

    #[inline]
    fn has_skip(self) -> bool {
        self.fixed().head.0 & SKIP != 0
    }

    /// The bytes between the parent's byte and this node's depth that path compression jumped over.
    #[inline]
    pub(super) fn skip(self) -> &'a [u8] {
        if !self.has_skip() {
            return &[];
        }
        self.skip_area()
    }

    #[cold]
    fn skip_area(self) -> &'a [u8] {
        let at = slot_offset(self.slots().len());
        // SAFETY: a node with the flag has a skip area behind its slots: the length, then as many bytes, never written.
        unsafe {
            let area = self.0.cast::<u8>().add(at);
            slice::from_raw_parts(area.add(1).as_ptr(), usize::from(area.read()))
        }
    }

    /// The first depth at which `prefix` ends or differs within the skipped bytes; `None`: it goes through to this node.
    pub(super) fn leaves_at(self, prefix: Prefix<'_>) -> Option<usize> {
        let skip = self.skip();
        let depth = self.depth();
        let start = depth - skip.len();
        let path = prefix.bytes(start.min(prefix.depth()), depth.min(prefix.depth()));
        match path.iter().zip(skip).position(|(a, b)| a != b) {
            Some(i) => Some(start + i),
            None => (prefix.depth() < depth).then_some(prefix.depth()),
        }
    }

    /// Whether `key` goes through the skipped bytes; `key` is known to reach beyond the parent's byte.
    #[inline]
    pub(super) fn on_path(self, key: Prefix<'_>) -> bool {
        !self.has_skip() || self.leaves_at(key).is_none()
    }

    pub(super) fn layout(self) -> Layout {
        layout(self.slots().len(), self.skip().len())
    }
}
