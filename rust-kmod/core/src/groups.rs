// SPDX-License-Identifier: GPL-2.0
//! Room in nodes of many items, so that one more is put into its place instead of into a copy.
//!
//! ```text
//! 72     directory  128 bytes, one for each four neighbours among the 512 items, children first:
//!                   the number of their group, from 1 on; 0: they have none
//! 200    counts     items; groups that hold any; groups that have a number
//! 208    slots      four for each group
//! ```
//!
//! A node of at most [`PACKED`] items has a slot for each of them and none beside; larger ones have
//! groups, as many as fit the allocator's size class. A group stays with its four items once they
//! have it, whether it holds any or not: a reader may be on the way to one of its slots. So slots,
//! bitmaps and directory may be read in any state between two updates, and in each the item at hand
//! is there or it is not.

use super::{
    build::Item,
    memory::Memory,
    node::{layout, NodeRef},
    slot::Raw,
    stride::Bitmap,
    sync::{AtomicU16, AtomicU8, Ordering::Relaxed},
};
use core::{alloc::Layout, array};

/// Items of a node without groups: what fits 256 bytes.
#[cfg(not(loom))]
pub(super) const PACKED: usize = 23;
/// Few, to have both kinds of nodes in a model.
#[cfg(loom)]
pub(super) const PACKED: usize = 2;

/// Items of a group, and slots for them.
pub(super) const GROUP: usize = 4;

/// As many groups as there can be.
const GROUPS: usize = 512 / GROUP;

/// What stands between a node's bitmaps and its slots.
#[repr(C, align(8))]
pub(super) struct Groups {
    directory: [AtomicU8; GROUPS],
    items: AtomicU16,
    live: AtomicU8,
    numbered: AtomicU8,
}

/// How many items and groups a node has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) items: usize,
    pub(super) groups: usize,
}

impl Count {
    /// Those of the node with these bitmaps.
    pub(super) fn of(internal: &Bitmap, child: &Bitmap) -> Self {
        let (mut items, mut groups) = (0, 0);
        for word in internal.iter().chain(child) {
            items += word.count_ones() as usize;
            // A bit for each four that has one.
            let pairs = word | word >> 1;
            groups += ((pairs | pairs >> 2) & 0x1111_1111_1111_1111).count_ones() as usize;
        }
        Self { items, groups }
    }

    /// The block for a node with these and `skip` skipped bytes, and the number of groups that it
    /// has room for; 0: it has a slot for each item instead.
    pub(super) fn layout<M: Memory>(self, skip: usize) -> (Layout, usize) {
        if self.items <= PACKED {
            return (layout(0, self.items, skip), 0);
        }
        let least = layout(self.groups, 0, skip);
        let spare = M::size_of(least).saturating_sub(least.size());
        let room = self.groups + spare / (layout(2, 0, 0).size() - layout(1, 0, 0).size());
        let room = room.min(GROUPS);
        (layout(room, 0, skip), room)
    }
}

impl Groups {
    /// Of a node without items.
    pub(super) fn new(count: Count) -> Self {
        Self {
            directory: array::from_fn(|_| AtomicU8::new(0)),
            items: AtomicU16::new(count.items as u16),
            live: AtomicU8::new(count.groups as u8),
            numbered: AtomicU8::new(0),
        }
    }

    #[inline]
    fn entry(&self, item: Item) -> &AtomicU8 {
        // The other half first: a lookup reads the children's next to the bitmaps.
        &self.directory[(usize::from(item.number()) / GROUP + GROUPS / 2) % GROUPS]
    }

    /// The number of the slot of `item`, if its group has a number.
    #[inline]
    pub(super) fn slot_number(&self, item: Item) -> Option<usize> {
        let group = usize::from(self.entry(item).load(Relaxed)).checked_sub(1)?;
        Some(GROUP * group + usize::from(item.number()) % GROUP)
    }

    /// As [`slot_number`](Self::slot_number); a group without a number gets one, if one of the
    /// first `room` is left. The writer only.
    pub(super) fn assign(&self, item: Item, room: usize) -> Option<usize> {
        if self.entry(item).load(Relaxed) == 0 {
            let numbered = self.numbered.load(Relaxed);
            if usize::from(numbered) >= room {
                return None;
            }
            self.numbered.store(numbered + 1, Relaxed);
            self.entry(item).store(numbered + 1, Relaxed);
        }
        self.slot_number(item)
    }

    /// How many items there are, and groups that hold any.
    pub(super) fn count(&self) -> Count {
        Count {
            items: self.items.load(Relaxed).into(),
            groups: self.live.load(Relaxed).into(),
        }
    }

    fn set_count(&self, count: Count) {
        self.items.store(count.items as u16, Relaxed);
        self.live.store(count.groups as u8, Relaxed);
    }
}

/// What the writer does to nodes that have room.
impl NodeRef<'_> {
    /// Puts an item, which the node does not have, into its place. `false`: there is no room, and
    /// nothing has changed.
    pub(super) fn put(self, item: Item, raw: Raw) -> bool {
        let Some((groups, room)) = self.groups() else {
            return false;
        };
        let slot = groups.assign(item, room);
        let Some(slot) = slot.and_then(|number| self.slots().get(number)) else {
            return false;
        };
        let mut count = groups.count();
        count.items += 1;
        count.groups += usize::from(self.neighbours(item) == 0);
        groups.set_count(count);
        slot.publish(raw);
        self.change(item, true);
        true
    }

    /// Takes away an item, which the node has and keeps others beside. `false`: the node has to be
    /// copied, since what stays fits a smaller block, or since it has a slot for each item; nothing
    /// has changed.
    pub(super) fn take<M: Memory>(self, item: Item) -> bool {
        let Some((_, count)) = self.without(item) else {
            return false;
        };
        self.fits::<M>(count) && self.take_anyway(item)
    }

    /// As [`take`](Self::take), however small a block what stays fits.
    pub(super) fn take_anyway(self, item: Item) -> bool {
        let (Some((groups, count)), Some(slot)) = (self.without(item), self.slot(item)) else {
            return false;
        };
        groups.set_count(count);
        self.change(item, false);
        slot.publish(Raw::VACANT);
        true
    }

    /// What is left to count without `item`, in a node with groups.
    fn without(&self, item: Item) -> Option<(&Groups, Count)> {
        let (groups, _) = self.groups()?;
        let mut count = groups.count();
        count.items -= 1;
        count.groups -= usize::from(self.neighbours(item).count_ones() == 1);
        Some((groups, count))
    }
}
