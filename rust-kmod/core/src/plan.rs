// SPDX-License-Identifier: GPL-2.0
//! Node blocks being written, before anyone else knows them.

use super::{
    build::Item,
    groups::{Count, Groups, GROUP},
    memory::Memory,
    node::{slots_offset, Fixed, Head},
    slot::{Raw, Slot},
    stride::{next_bit, Bitmap, SharedBitmap},
};
use core::{alloc::Layout, ptr::NonNull};

/// Which slots a node has; together with its skip that is all about it except what the slots hold.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) depth: u8,
    pub(super) internal: Bitmap,
    pub(super) child: Bitmap,
}

/// A node about to be written.
pub(super) struct Plan<'s> {
    shape: Shape,
    count: Count,
    layout: Layout,
    /// For groups; 0: a slot for each item.
    room: usize,
    skip: &'s [&'s [u8]],
    skip_len: usize,
}

impl<'s> Plan<'s> {
    /// `skip` comes in parts, at most 255 bytes in all.
    pub(super) fn new<M: Memory>(shape: &Shape, skip: &'s [&'s [u8]]) -> Self {
        let skip_len = skip.iter().map(|part| part.len()).sum();
        let count = Count::of(&shape.internal, &shape.child);
        let (layout, room) = count.layout::<M>(skip_len);
        Self {
            shape: *shape,
            count,
            layout,
            room,
            skip,
            skip_len,
        }
    }

    pub(super) fn layout(&self) -> Layout {
        self.layout
    }

    pub(super) fn items(&self) -> usize {
        self.count.items
    }

    /// Writes the node into a fresh block; `fill` pushes what its items' slots hold: internal ones,
    /// then children, in order of index.
    ///
    /// # Safety
    ///
    /// The block has the plan's [`layout`](Self::layout) and is nobody else's.
    pub(super) unsafe fn write(self, block: NonNull<u8>, fill: impl FnOnce(&mut Filler<'_>)) {
        let fixed = Fixed {
            head: Head::new(&self.shape, self.room, self.skip_len > 0),
            child: SharedBitmap::new(self.shape.child),
            internal: SharedBitmap::new(self.shape.internal),
        };
        let at = block.cast::<Fixed>();
        // SAFETY: by the contract the block is ours, and its layout begins with a Fixed.
        unsafe { at.write(fixed) };
        // SAFETY: by its layout slots begin there, inside the block.
        let slots = unsafe { block.add(slots_offset(self.room > 0)) }.cast::<Slot>();
        let mut filler = Filler {
            slots,
            at: 0,
            left: self.count.items,
            groups: None,
        };
        let mut end = self.count.items;
        if self.room > 0 {
            // SAFETY: with room the layout has a Groups between the fixed part and the slots.
            let groups = unsafe {
                let groups = at.add(1).cast::<Groups>();
                groups.write(Groups::new(self.count));
                groups.as_ref()
            };
            end = GROUP * self.room;
            for i in 0..end {
                // SAFETY: the layout has GROUP slots for each of `room` groups.
                unsafe { slots.add(i).write(Slot::new(Raw::VACANT)) };
            }
            filler.groups = Some((groups, &self.shape, self.room));
        }
        fill(&mut filler);
        debug_assert_eq!(filler.left, 0, "each item's slot is filled");
        // So that they are initialised whatever `fill` did.
        while filler.left > 0 {
            filler.push(Raw::VACANT);
        }
        if self.skip_len == 0 {
            return;
        }
        // SAFETY: the layout has a skip area of 1 + skip_len bytes behind its `end` slots.
        let mut to = unsafe { slots.add(end) }.cast::<u8>();
        // SAFETY: the first byte of that area.
        unsafe { to.write(self.skip_len as u8) };
        for byte in self.skip.iter().copied().flatten() {
            // SAFETY: `new` counted the parts: skip_len bytes behind the first one.
            unsafe {
                to = to.add(1);
                to.write(*byte);
            }
        }
    }
}

/// Fills the slots of a new node's items, one after the other.
///
/// # Invariants
///
/// `left` items are to come. Without groups, as many slots from number `at` on may be written; with
/// them, the slots of all of their `room` groups, and `at` is the number of an item.
pub(super) struct Filler<'n> {
    slots: NonNull<Slot>,
    at: usize,
    left: usize,
    groups: Option<(&'n Groups, &'n Shape, usize)>,
}

impl Filler<'_> {
    pub(super) fn push(&mut self, raw: Raw) {
        if self.left == 0 {
            return;
        }
        let mut number = Some(self.at);
        if let Some((groups, shape, room)) = self.groups {
            let item = next_bit(&shape.internal, &shape.child, self.at as u32);
            number = item.and_then(|item| groups.assign(Item::numbered(item), room));
            self.at = item.unwrap_or(0) as usize;
        }
        if let Some(number) = number {
            // SAFETY: by the invariants, and `left` is not 0; groups give numbers of slots that
            // there are.
            unsafe { self.slots.add(number).write(Slot::new(raw)) };
        }
        // INVARIANT: both move on by one.
        self.at += 1;
        self.left -= 1;
    }

    /// Copies slots of another node, neither of them with groups, as the writer, who alone may read
    /// them without atomics: nobody writes them meanwhile.
    #[cfg(not(loom))]
    pub(super) fn extend(&mut self, from: &[Slot]) {
        debug_assert!(
            self.groups.is_none(),
            "slots are in the order of their items"
        );
        let count = from.len().min(self.left);
        // SAFETY: by the invariants `count` slots may be written, which are not those of a
        // published node; a slot is a pointer in memory, and only this thread writes those
        // in `from`.
        unsafe {
            self.slots
                .add(self.at)
                .copy_from_nonoverlapping(NonNull::from(from).cast(), count);
        }
        // INVARIANT: both move on by `count`.
        self.at += count;
        self.left -= count;
    }

    /// As above, for slots that are more than a pointer in memory.
    #[cfg(loom)]
    pub(super) fn extend(&mut self, from: &[Slot]) {
        from.iter().for_each(|slot| self.push(slot.raw()));
    }
}
