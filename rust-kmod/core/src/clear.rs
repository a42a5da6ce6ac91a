// SPDX-License-Identifier: GPL-2.0
//! Freeing everything: one walk, constant space, no recursion, with pauses.
//!
//! On the way down, a node's bitmaps, which nobody needs any more, keep the way back up.

use super::{
    direct::Direct,
    node::NodeRef,
    slot::{Link, Raw, Slot},
    Trie,
};
use core::{alloc::Layout, mem::size_of, ptr::NonNull};

/// Blocks freed between two pauses.
const BATCH: u32 = 256;

/// Laid over the beginning of a node that is being freed; its slots stay where they are.
struct Visit {
    up: Option<NonNull<Visit>>,
    slots: NonNull<Slot>,
    left: u16,
    layout: Layout,
}

const _: () = assert!(
    size_of::<Visit>() <= super::node::FIXED_SIZE,
    "a visit fits over a node's fixed part"
);

impl Visit {
    /// Turns a node into a visit of it.
    fn begin(node: NodeRef<'_>, up: Option<NonNull<Visit>>) -> NonNull<Visit> {
        let slots = node.slots();
        let visit = Visit {
            up,
            slots: node.first_slot(),
            left: slots.len() as u16,
            layout: node.layout(),
        };
        let at = node.ptr().cast::<Visit>();
        // SAFETY: the block is longer than a Visit, aligned, and nobody else refers to it (`clear`
        // is exclusive, and `node` is not used again).
        unsafe { at.write(visit) };
        at
    }
}

/// What a clearing walk works with.
struct Clearing<F: FnMut(NonNull<u8>, Layout), P: FnMut()> {
    free: F,
    pause: P,
    entry_layout: Layout,
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

    /// Frees what `slot` leads to; `up` is where it was found.
    ///
    /// # Safety
    ///
    /// Nobody else refers to the trie, and nothing follows `slot` any more.
    unsafe fn enter(&mut self, slot: &Slot, up: Option<NonNull<Visit>>) -> Option<NonNull<Visit>> {
        match slot.load() {
            Link::Vacant => up,
            Link::Entry(entry, _) => {
                // One slot leads to an entry, and it is this one.
                self.free(entry.ptr(), self.entry_layout);
                up
            }
            Link::Node(node) => Some(Visit::begin(node, up)),
        }
    }

    /// Frees everything below `slot`, and leaves it vacant.
    fn below(&mut self, slot: &mut Slot) {
        let slot = core::mem::replace(slot, Slot::new(Raw::VACANT));
        // SAFETY: a mutable slot means that the trie is exclusive, and it is vacant now.
        let mut at = unsafe { self.enter(&slot, None) };
        while let Some(mut here) = at {
            // SAFETY: `Visit::begin` wrote it, and it is freed only below, where `at` moves away
            // from it.
            let visit = unsafe { here.as_mut() };
            if visit.left == 0 {
                at = visit.up;
                let layout = visit.layout;
                // All that led to the node were slots that are done with.
                self.free(here.cast(), layout);
                continue;
            }
            visit.left -= 1;
            // SAFETY: `left` was at most the number of slots, which are not overwritten by the
            // visit.
            let slot = unsafe { visit.slots.add(usize::from(visit.left)).as_ref() };
            // SAFETY: as above; `left` does not come back to this slot.
            at = unsafe { self.enter(slot, Some(here)) };
        }
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
            entry_layout: self.geometry.entry_layout(),
            until_pause: BATCH,
        };
        clearing.below(&mut self.root);
        clearing.below(&mut self.leftover);
        for slot in self.direct_mut().into_iter().flat_map(Direct::slots_mut) {
            clearing.below(slot);
        }
        self.stats = super::stats::Stats::new();
    }
}
