// SPDX-License-Identifier: GPL-2.0
//! Node blocks: what a published node looks like, and how readers find their way in it.
//!
//! ```text
//! 0      head       depth | ranks (see Head)
//! 8      child      bitmap of the bytes under which there is more
//! 40     internal   bitmap of the prefixes that end in this stride, by base index
//! 72     slots      one for each bit: internal ones first, then children, both by index; or, in a
//!                   node of many items, see `groups`
//! ..     skip       only if path compression jumped over bytes to get here: their number, a u8,
//!                   then the bytes
//! ```
//!
//! Without groups, nothing of it changes after publication except what slots hold: a child replaced
//! by another one for the same byte, an entry replaced by another one for the same prefix, or a
//! slot made vacant and filled again. With groups, bits are set and cleared, too.

use super::{
    build::Item,
    groups::{Groups, GROUP},
    plan::Shape,
    prefix::Prefix,
    slot::{Link, Slot},
    stride::{below, following, longest, longest_upto, next_bit, test, SharedBitmap, Words},
};
use core::{alloc::Layout, marker::PhantomData, mem::size_of, ptr::NonNull, slice};

/// Depth, and the ranks that make the position of any slot the sum of two of these bytes and one
/// popcount.
///
/// ```text
/// bits 0..8    depth: index of the key byte that this node looks at, 0 to 255
///      8..32   bits of the internal bitmap before its words 1, 2, 3. The first is at most 63; the
///              other bits of its byte, 14 and 15 here, say that there are groups, and a skip
///     32..40   bits of the internal bitmap, at most 255: the number of the first child slot
///     40..64   bits of the child bitmap before its words 1, 2, 3
/// ```
///
/// Of a node with groups: depth, bits 14 and 15, and in 32..40 the number of groups that it has
/// room for, at most 128.
#[derive(Clone, Copy)]
pub(super) struct Head(u64);

const GROUPED: u64 = 1 << 14;
const SKIP: u64 = 1 << 15;

impl Head {
    /// `room`: of groups; 0: a slot for each item.
    pub(super) fn new(shape: &Shape, room: usize, skip: bool) -> Self {
        let mut head = u64::from(shape.depth);
        if room > 0 {
            head |= GROUPED | (room as u64) << 32;
        } else {
            let (mut internal, mut child) = (0u64, 0u64);
            for (w, (i, c)) in shape.internal.iter().zip(&shape.child).enumerate() {
                if w > 0 {
                    head |= internal << (8 * w) | child << (32 + 8 * w);
                }
                internal += u64::from(i.count_ones());
                child += u64::from(c.count_ones());
            }
            head |= internal << 32;
        }
        Head(if skip { head | SKIP } else { head })
    }

    /// Items before the first child, in a node without groups; of one with groups, the room for
    /// them, so that it counts as one that may have internal prefixes.
    #[inline]
    fn internals(self) -> usize {
        (self.0 >> 32 & 0xff) as usize
    }

    /// How many groups there is room for; 0: none.
    #[inline]
    fn room(self) -> usize {
        if self.0 & GROUPED != 0 {
            self.internals()
        } else {
            0
        }
    }

    /// Bits of the internal bitmap before word `w` (0 to 3).
    #[inline]
    fn internals_before(self, w: u8) -> usize {
        ((self.0 & 0xffff_3f00) >> (8 * u32::from(w & 3)) & 0xff) as usize
    }

    /// Bits of the child bitmap before word `w` (0 to 3).
    #[inline]
    fn children_before(self, w: u8) -> usize {
        ((self.0 >> 32 & 0xffff_ff00) >> (8 * u32::from(w & 3)) & 0xff) as usize
    }
}

/// Size of a node without slots, groups and skip.
pub(super) const FIXED_SIZE: usize = size_of::<Fixed>();

/// The fixed part of a node block.
#[repr(C)]
pub(super) struct Fixed {
    pub(super) head: Head,
    pub(super) child: SharedBitmap,
    pub(super) internal: SharedBitmap,
}

/// Where the slots of a node begin.
pub(super) fn slots_offset(grouped: bool) -> usize {
    FIXED_SIZE + if grouped { size_of::<Groups>() } else { 0 }
}

/// The block that a node with room for `groups` groups, or, if that is 0, with `slots` slots needs,
/// with `skip` skipped bytes.
pub(super) fn layout(groups: usize, slots: usize, skip: usize) -> Layout {
    let slots = slots + GROUP * groups;
    let tail = if skip == 0 { 0 } else { 1 + skip };
    let size = slots_offset(groups > 0) + slots * size_of::<Slot>() + tail;
    // SAFETY: 8 is a power of two; at most 208 + 512 * 8 + 256 bytes (slots are larger in the model
    // checker, far from isize::MAX).
    unsafe { Layout::from_size_align_unchecked(size, 8) }
}

/// A node that stays readable for `'a`.
///
/// # Invariants
///
/// The pointer is to a node block made by `Plan::write`, and of the block only atomics are written
/// during `'a`: slots, and in a node with groups its bitmaps, directory and counts. A number in the
/// directory is at most the number of groups that the head names.
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
        // SAFETY: by the invariants a Fixed, of which only atomics are written during 'a.
        unsafe { self.0.as_ref() }
    }

    #[inline]
    pub(super) fn depth(self) -> usize {
        (self.fixed().head.0 & 0xff) as usize
    }

    #[inline]
    pub(super) fn may_have_internals(self) -> bool {
        self.fixed().head.internals() != 0
    }

    pub(super) fn shape(self) -> Shape {
        let fixed = self.fixed();
        Shape {
            depth: self.depth() as u8,
            internal: fixed.internal.get(),
            child: fixed.child.get(),
        }
    }

    /// The groups, and how many there is room for.
    #[inline]
    pub(super) fn groups(self) -> Option<(&'a Groups, usize)> {
        let room = self.fixed().head.room();
        // SAFETY: in a node with room for groups `Plan::write` put a `Groups` behind the fixed
        // part, of which only atomics are written.
        (room > 0).then(|| (unsafe { self.0.add(1).cast().as_ref() }, room))
    }

    /// Of the four neighbours that `item` is one of, those that the node has, as bits.
    pub(super) fn neighbours(self, item: Item) -> u64 {
        let (Item::Internal(index) | Item::Child(index)) = item;
        self.bitmap(item).word(index) >> (index & 60) & 15
    }

    /// Makes the bit of `item` what `value` says. The writer only.
    pub(super) fn change(self, item: Item, value: bool) {
        let (Item::Internal(index) | Item::Child(index)) = item;
        self.bitmap(item).change(index, value);
    }

    #[inline]
    fn bitmap(self, item: Item) -> &'a SharedBitmap {
        match item {
            Item::Internal(_) => &self.fixed().internal,
            Item::Child(_) => &self.fixed().child,
        }
    }

    /// All slots, in order; those of items that a node with groups does not have are vacant.
    pub(super) fn slots(self) -> &'a [Slot] {
        let fixed = self.fixed();
        let count = match fixed.head.room() {
            0 => self.packed(),
            room => GROUP * room,
        };
        // SAFETY: the block has so many slots, initialised by `Plan::write`, and slots are only
        // written as atomics.
        unsafe { slice::from_raw_parts(self.first_slot().as_ptr(), count) }
    }

    /// The number of slots of a node without groups.
    fn packed(self) -> usize {
        let fixed = self.fixed();
        let last = fixed.child.get()[3].count_ones() as usize;
        fixed.head.internals() + fixed.head.children_before(3) + last
    }

    /// How many items the node has whose slots are not vacant. The writer only.
    pub(super) fn live(self) -> usize {
        match self.groups() {
            Some((groups, _)) => groups.count().items,
            None => {
                let live = self.slots().iter().filter(|slot| !slot.raw().is_vacant());
                live.count()
            }
        }
    }

    /// Address of the first slot, good for all of them and for writing.
    #[inline]
    pub(super) fn first_slot(self) -> NonNull<Slot> {
        let offset = slots_offset(self.fixed().head.room() > 0);
        // SAFETY: slots follow the fixed part, and the groups if there are any, within the block.
        unsafe { self.0.cast::<u8>().add(offset).cast() }
    }

    /// All items with their slots, in order. The writer only.
    pub(super) fn items(self) -> impl Iterator<Item = (Item, &'a Slot)> {
        let Shape {
            internal, child, ..
        } = self.shape();
        let next = move |at| next_bit(&internal, &child, at);
        core::iter::successors(next(0), move |at| next(at + 1)).filter_map(move |at| {
            let item = Item::numbered(at);
            Some((item, self.slot(item)?))
        })
    }

    /// How many slots come before that of `item`, there or not, in a node without groups.
    #[inline]
    pub(super) fn rank(self, item: Item) -> usize {
        let head = self.fixed().head;
        let (Item::Internal(index) | Item::Child(index)) = item;
        let before = match item {
            Item::Internal(_) => head.internals_before(index >> 6),
            Item::Child(_) => head.internals() + head.children_before(index >> 6),
        };
        before + below(self.bitmap(item), index)
    }

    /// The slot of `item`, if the node has it.
    #[inline]
    pub(super) fn slot(self, item: Item) -> Option<&'a Slot> {
        let (Item::Internal(index) | Item::Child(index)) = item;
        if !test(self.bitmap(item), index) {
            return None;
        }
        let number = match self.groups() {
            Some((groups, _)) => groups.slot_number(item)?,
            None => self.rank(item),
        };
        // SAFETY: without groups, the rank of a set bit is below the number of bits, which is that
        // of the slots; with them, by the invariants the group of a number is one of those that
        // have slots. Slots are initialised by `Plan::write` and only written as atomics.
        Some(unsafe { self.first_slot().add(number).as_ref() })
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
            after = following(&fixed.internal, &fixed.child, after);
            if after == 0 {
                return None;
            }
            match self.slot(Item::numbered(after)).map(Slot::load) {
                None | Some(Link::Vacant) => {}
                link => return link,
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
        let slots = self.slots();
        // SAFETY: a node with the flag has a skip area behind its slots: the length, then as many
        // bytes, never written.
        unsafe {
            let area = self.first_slot().add(slots.len()).cast::<u8>();
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
        match self.fixed().head.room() {
            0 => layout(0, self.packed(), self.skip().len()),
            room => layout(room, 0, self.skip().len()),
        }
    }
}
