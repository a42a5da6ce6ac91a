// SPDX-License-Identifier: GPL-2.0
//! Node blocks: what a published node looks like, and how readers find their way in it.
//!
//! ```text
//! 0      head       depth | ranks (see Head)
//! 8      child      bitmap of the bytes under which there is more
//! 40     internal   bitmap of the prefixes that end in this stride, by base index
//! 72     slots      one for each bit: internal ones first, then children, both by index
//! ..     skip       only if path compression jumped over bytes to get here: their number, a u8,
//!                   then the bytes
//! ```
//!
//! Nothing of it changes after publication except what slots hold: a child replaced by another one
//! for the same byte, an entry replaced by another one for the same prefix, or a slot made vacant
//! and filled again.

use super::{
    build::Item,
    prefix::Prefix,
    slot::{Link, Raw, Slot},
    stride::{below, longest, longest_upto, next_bit, test, Bitmap},
};
use core::{alloc::Layout, marker::PhantomData, mem::size_of, ptr::NonNull, slice};

/// Depth, and the ranks that make the position of any slot the sum of two of these bytes and one
/// popcount.
///
/// ```text
/// bits 0..8    depth: index of the key byte that this node looks at, 0 to 255
///      8..32   bits of the internal bitmap before its words 1, 2, 3 (the first is at most 63, and
///              its byte's bit 7, bit 15 here, says that there is a skip)
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

impl Fixed {
    /// Number of slots.
    fn slots(&self) -> usize {
        let last = self.child[3].count_ones() as usize;
        self.head.internals() + self.head.children_before(3) + last
    }
}

/// Which slots a node has; together with its skip that is all about it except what the slots hold.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) depth: u8,
    pub(super) internal: Bitmap,
    pub(super) child: Bitmap,
}

/// Where the slot with number `i` is.
fn slot_offset(i: usize) -> usize {
    FIXED_SIZE + i * size_of::<Slot>()
}

/// The block that a node with `slots` slots and `skip` skipped bytes needs.
fn layout(slots: usize, skip: usize) -> Layout {
    let tail = if skip == 0 { 0 } else { 1 + skip };
    // SAFETY: 8 is a power of two; at most 72 + 511 * 8 + 256 bytes (slots are larger in the model
    // checker, far from isize::MAX).
    unsafe { Layout::from_size_align_unchecked(slot_offset(slots) + tail, 8) }
}

/// A node about to be written.
pub(super) struct Plan<'s> {
    fixed: Fixed,
    slots: usize,
    skip: &'s [&'s [u8]],
    skip_len: usize,
}

impl<'s> Plan<'s> {
    /// `skip` comes in parts, at most 255 bytes in all.
    pub(super) fn new(shape: &Shape, skip: &'s [&'s [u8]]) -> Self {
        let skip_len = skip.iter().map(|part| part.len()).sum();
        let head = Head::new(shape, skip_len > 0);
        let fixed = Fixed {
            head,
            child: shape.child,
            internal: shape.internal,
        };
        Self {
            slots: fixed.slots(),
            fixed,
            skip,
            skip_len,
        }
    }

    pub(super) fn layout(&self) -> Layout {
        layout(self.slots, self.skip_len)
    }

    /// Writes the node into a fresh block; `fill` pushes its slots: internal ones, then children,
    /// in order of index.
    ///
    /// # Safety
    ///
    /// The block has the plan's [`layout`](Self::layout) and is nobody else's.
    pub(super) unsafe fn write(self, block: NonNull<u8>, fill: impl FnOnce(&mut Filler)) {
        // SAFETY: the block is ours and begins with a Fixed.
        unsafe { block.cast::<Fixed>().write(self.fixed) };
        // SAFETY: that many slots follow it.
        let mut filler = unsafe {
            Filler {
                at: block.add(slot_offset(0)).cast(),
                left: self.slots,
            }
        };
        fill(&mut filler);
        debug_assert_eq!(filler.left, 0, "each slot is filled");
        // So that they are initialised whatever `fill` did.
        while filler.left > 0 {
            filler.push(Raw::VACANT);
        }
        if self.skip_len == 0 {
            return;
        }
        let mut to = filler.at.cast::<u8>();
        // SAFETY: a skip area of 1 + skip_len bytes follows the slots.
        unsafe { to.write(self.skip_len as u8) };
        for byte in self.skip.iter().copied().flatten() {
            // SAFETY: 1 + skip_len bytes are written in all.
            unsafe {
                to = to.add(1);
                to.write(*byte);
            }
        }
    }
}

/// Writes the slots of a new node, one after the other.
///
/// # Invariants
///
/// `left` slots from `at` on may be written.
pub(super) struct Filler {
    at: NonNull<Slot>,
    left: usize,
}

impl Filler {
    pub(super) fn push(&mut self, raw: Raw) {
        if self.left == 0 {
            return;
        }
        // SAFETY: by the invariants, and `left` is not 0. INVARIANT: both move on by one.
        unsafe {
            self.at.write(Slot::new(raw));
            self.at = self.at.add(1);
        }
        self.left -= 1;
    }

    /// Copies slots of another node, as the writer, who alone may read them without atomics: nobody
    /// writes them meanwhile.
    #[cfg(not(loom))]
    pub(super) fn extend(&mut self, from: &[Slot]) {
        let count = from.len().min(self.left);
        // SAFETY: by the invariants `count` slots may be written, which are not those of a
        // published node; a slot is a pointer in memory, and only this thread writes those
        // in `from`. INVARIANT: both move on by `count`.
        unsafe {
            self.at
                .copy_from_nonoverlapping(NonNull::from(from).cast(), count);
            self.at = self.at.add(count);
        }
        self.left -= count;
    }

    /// As above, for slots that are more than a pointer in memory.
    #[cfg(loom)]
    pub(super) fn extend(&mut self, from: &[Slot]) {
        from.iter().for_each(|slot| self.push(slot.raw()));
    }
}

/// A node that stays readable for `'a`.
///
/// # Invariants
///
/// The pointer is to a node block made by [`write`], and of the block only slots are written during
/// `'a`, through `Slot`.
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
        // SAFETY: the block has a slot for each bit, initialised by `write`, and slots are only
        // written as atomics.
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
        let total = fixed.slots();
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
    pub(super) fn items(self) -> Items<'a> {
        Items {
            node: self,
            at: 0,
            slots: self.slots().iter(),
        }
    }

    /// How many slots come before that of `item`, which need not be there.
    pub(super) fn rank_of(self, item: Item) -> usize {
        let fixed = self.fixed();
        match item {
            Item::Internal(index) => {
                fixed.head.internals_before(index >> 6) + below(&fixed.internal, index)
            }
            Item::Child(byte) => {
                fixed.head.internals()
                    + fixed.head.children_before(byte >> 6)
                    + below(&fixed.child, byte)
            }
        }
    }

    /// The slot of byte `byte`'s child, if there is such a child.
    #[inline]
    pub(super) fn child(self, byte: u8) -> Option<&'a Slot> {
        let fixed = self.fixed();
        if !test(&fixed.child, byte) {
            return None;
        }
        let before = fixed.head.internals() + fixed.head.children_before(byte >> 6);
        // SAFETY: the bit is set, so its rank plus the number of internal bits is below the number
        // of all bits.
        Some(unsafe { self.slot(before + below(&fixed.child, byte)) })
    }

    /// The slot of the internal prefix with base index `index`, if there is such a prefix.
    #[inline]
    pub(super) fn internal(self, index: u8) -> Option<&'a Slot> {
        let fixed = self.fixed();
        if !test(&fixed.internal, index) {
            return None;
        }
        let before = fixed.head.internals_before(index >> 6);
        // SAFETY: the bit is set, so its rank is below the number of internal bits.
        Some(unsafe { self.slot(before + below(&fixed.internal, index)) })
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

    /// The next item after number `after` in post-order that is not vacant; `None`: no more.
    pub(super) fn following(self, mut after: u32) -> Option<Link<'a>> {
        let fixed = self.fixed();
        loop {
            after = super::stride::following(&fixed.internal, &fixed.child, after);
            if after == 0 {
                return None;
            }
            match self.item(after)?.load() {
                Link::Vacant => {}
                link => return Some(link),
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
        // SAFETY: a node with the flag has a skip area behind its slots: the length, then as many
        // bytes, never written.
        unsafe {
            let area = self.0.cast::<u8>().add(at);
            slice::from_raw_parts(area.add(1).as_ptr(), usize::from(area.read()))
        }
    }

    /// The first depth at which `prefix` ends or differs within the skipped bytes; `None`: it goes
    /// through to this node.
    pub(super) fn leaves_at(self, prefix: Prefix<'_>) -> Option<usize> {
        if !self.has_skip() {
            return None;
        }
        let skip = self.skip();
        let depth = self.depth();
        let start = depth - skip.len();
        let path = prefix.bytes(start.min(prefix.depth()), depth.min(prefix.depth()));
        match path.iter().zip(skip).position(|(a, b)| a != b) {
            Some(i) => Some(start + i),
            None => (prefix.depth() < depth).then_some(prefix.depth()),
        }
    }

    /// Whether `key` goes through the skipped bytes; `key` is known to reach beyond the parent's
    /// byte.
    #[inline]
    pub(super) fn on_path(self, key: Prefix<'_>) -> bool {
        !self.has_skip() || self.leaves_at(key).is_none()
    }

    pub(super) fn layout(self) -> Layout {
        layout(self.slots().len(), self.skip().len())
    }
}

/// See [`NodeRef::items`].
pub(super) struct Items<'a> {
    node: NodeRef<'a>,
    /// Where to look for the next bit: below 256 in the internal bitmap, below 512 in the other.
    at: u32,
    slots: slice::Iter<'a, Slot>,
}

impl<'a> Iterator for Items<'a> {
    type Item = (Item, &'a Slot);

    fn next(&mut self) -> Option<Self::Item> {
        let fixed = self.node.fixed();
        self.at = next_bit(&fixed.internal, &fixed.child, self.at)?;
        let index = (self.at & 255) as u8;
        let item = if self.at < 256 {
            Item::Internal(index)
        } else {
            Item::Child(index)
        };
        self.at += 1;
        Some((item, self.slots.next()?))
    }
}
