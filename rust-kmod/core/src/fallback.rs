// SPDX-License-Identifier: GPL-2.0
//! What the slots of children say about the internal prefixes of their node.
//!
//! The slot of a child has the FALLBACK tag if, and only if, an internal prefix of the node covers
//! its byte. In a full node, a slot without a child holds the longest such prefix itself. So a
//! lookup knows without looking at a node's internal prefixes whether to come back for them.
//!
//! An update of an internal prefix first changes its own slot, then those of the bytes that it
//! covers, one by one. Each key leads to one of them only, so for each key the prefix comes or goes
//! at once.

use super::{
    node::NodeRef,
    slot::{Raw, Slot},
};

impl NodeRef<'_> {
    /// What the slot of `byte` holds when its child is `raw`. The writer only.
    pub(super) fn child_raw(self, byte: u8, raw: Raw) -> Raw {
        raw.with_fallback(self.is_covered(byte))
    }

    /// What the slot of `byte` holds when there is no child. The writer only.
    pub(super) fn childless_raw(self, byte: u8) -> Raw {
        match self {
            NodeRef::Full(full) if full.in_array(byte).is_some() => full
                .cover(byte, 7)
                .map_or(Raw::VACANT, |entry| entry.pushed()),
            _ => Raw::VACANT,
        }
    }

    /// Whether an internal prefix covers `byte`.
    fn is_covered(self, byte: u8) -> bool {
        if let NodeRef::Full(full) = self {
            let raw = full.in_array(byte).map(Slot::raw);
            // Without a child and a pushed entry, there is none.
            if raw.is_some_and(Raw::is_vacant) {
                return false;
            }
        }
        self.cover(byte, 7).is_some()
    }

    /// Brings the slots of the bytes that the internal prefix `index` covers up to date, after it
    /// came, went or was replaced. The writer only.
    pub(super) fn refresh(self, index: u8) {
        let Some(len) = index.checked_ilog2() else {
            return;
        };
        let first = (u32::from(index) << (8 - len)) as u8;
        for byte in first..=first | (0xff >> len) as u8 {
            let Some(slot) = self.child(byte) else {
                continue;
            };
            let old = slot.raw();
            let new = if old.is_taken() {
                old.with_fallback(self.cover(byte, 7).is_some())
            } else {
                self.childless_raw(byte)
            };
            if new != old {
                slot.publish(new);
            }
        }
    }
}
