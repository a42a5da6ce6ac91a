// SPDX-License-Identifier: GPL-2.0
//! Freeing everything: one walk, constant space, no recursion, with pauses.
//!
//! On the way down, the slot that led to a node keeps the way back up.

use super::{
    node::{Link, NodeRef},
    prefix::Geometry,
    slot::{Raw, Slot},
    Trie,
};
use core::{alloc::Layout, mem, ptr::NonNull};

/// Blocks freed between two pauses.
const BATCH: u32 = 256;

/// What a clearing walk works with.
struct Clearing<F: FnMut(NonNull<u8>, Layout), P: FnMut()> {
    free: F,
    pause: P,
    geometry: Geometry,
    until_pause: u32,
}

impl<F: FnMut(NonNull<u8>, Layout), P: FnMut()> Clearing<F, P> {
    /// Gives up a block of this layout, which nothing refers to any more.
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
                // All that led to the node were slots that are done with.
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

    /// Frees the entries in the last slots of `node` and leaves these vacant; the last slot before
    /// them that leads to a node.
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
                    // One slot leads to an entry, and it is this one.
                    self.free(entry.ptr(), entry.layout(&self.geometry));
                    slot.publish(Raw::VACANT);
                }
                // The slot is to be looked at once more.
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

/// All slots of a full node's array are left to empty.
fn begin(node: NodeRef<'_>) {
    if let NodeRef::Full(node) = node {
        node.rest().set_left(node.children().len());
    }
}

impl Trie {
    /// Empties the trie, and passes each entry and node to `free`, with the layout that it was
    /// allocated for. Nothing refers to such a block any more, unless the caller knows better: it
    /// may have told somebody the address of a value.
    ///
    /// Calls `pause` after every 256 blocks, so that a big trie does not keep the CPU.
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
