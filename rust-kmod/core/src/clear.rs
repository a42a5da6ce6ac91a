// SPDX-License-Identifier: GPL-2.0
//! Freeing everything: one walk, constant space, no recursion, with pauses.
//!
//! On the way down, the slot that led to a node stores the way back up.

use super::{
    node::{Link, NodeRef},
    prefix::Geometry,
    slot::{Raw, Slot},
    Trie,
};
use core::{alloc::Layout, mem, ptr::NonNull};

/// Blocks freed between two pauses.
const BATCH: u32 = 256;

/// The state of a clearing walk.
struct Clearing<F: FnMut(NonNull<u8>, Layout), P: FnMut()> {
    free: F,
    pause: P,
    geometry: Geometry,
    until_pause: u32,
}

impl<F: FnMut(NonNull<u8>, Layout), P: FnMut()> Clearing<F, P> {
    /// Frees a block of this layout, which nothing refers to any more.
    fn free(&mut self, block: NonNull<u8>, layout: Layout) {
        (self.free)(block, layout);
        self.until_pause = self.until_pause.saturating_sub(1);
        if self.until_pause == 0 {
            (self.pause)();
            self.until_pause = BATCH;
        }
    }

    /// Frees everything below `slot`, and leaves it vacant.
    fn below(&mut self, slot: &mut Slot) {
        let slot = mem::replace(slot, Slot::new(Raw::VACANT));
        let top = match slot.below() {
            Link::Vacant => return,
            Link::Entry(entry, _) => return self.free(entry.ptr(), entry.layout(&self.geometry)),
            Link::Node(node) => node,
        };
        // The node that is being emptied, and the one above it; the top one is above itself.
        let (mut here, mut up) = (top, top);
        begin(here);
        loop {
            if let Some((slot, below)) = self.empty(here) {
                slot.publish(up.raw());
                (here, up) = (below, here);
                begin(here);
                continue;
            }
            for (block, layout) in here.blocks() {
                // Only slots that are done with led to the node.
                self.free(block, layout);
            }
            if here.raw() == up.raw() {
                return;
            }
            // The last slot taken is the one that led here.
            let Some((slot, above)) = self.empty(up) else {
                return;
            };
            slot.publish(Raw::VACANT);
            (here, up) = (up, above);
        }
    }

    /// Frees the entries in the last slots of `node`, leaves these vacant, and returns the last
    /// slot before them that leads to a node.
    fn empty<'a>(&mut self, node: NodeRef<'a>) -> Option<(&'a Slot, NodeRef<'a>)> {
        let (array, slots) = match node {
            NodeRef::Small(node) => (&[][..], node.slots()),
            NodeRef::Packed(node) => (&[][..], node.slots()),
            NodeRef::Full(node) => {
                let rest = node.rest();
                (&node.children()[..rest.left()], rest.slots())
            }
        };
        let mut left = array.len() + slots.len();
        for slot in array.iter().chain(slots).rev() {
            match slot.below() {
                Link::Vacant => {}
                Link::Entry(entry, _) => {
                    // This is the only slot that leads to the entry.
                    self.free(entry.ptr(), entry.layout(&self.geometry));
                    slot.publish(Raw::VACANT);
                }
                // The slot will be looked at once more.
                Link::Node(below) => {
                    if let NodeRef::Full(full) = node {
                        full.rest().set_left(array.len().min(left));
                    }
                    return Some((slot, below));
                }
            }
            left -= 1;
        }
        None
    }
}

/// Notes that all slots of a full node's array are still to be emptied.
fn begin(node: NodeRef<'_>) {
    if let NodeRef::Full(node) = node {
        node.rest().set_left(node.children().len());
    }
}

impl Trie {
    /// Empties the trie, and passes each entry and node to `free`, with the layout that it was
    /// allocated for. Nothing in the trie refers to such a block any more; only the caller knows
    /// whether it has told somebody the address of a value.
    ///
    /// Calls `pause` after every 256 blocks, so that a large trie does not monopolize the CPU.
    pub fn clear(&mut self, free: impl FnMut(NonNull<u8>, Layout), pause: impl FnMut()) {
        let mut clearing = Clearing {
            free,
            pause,
            geometry: self.geometry,
            until_pause: BATCH,
        };
        clearing.below(&mut self.root);
        clearing.below(&mut self.leftover);
        self.stats = super::stats::Stats::new();
    }
}
