// SPDX-License-Identifier: GPL-2.0
//! What the slots of children say about the internal prefixes of their node.
//!
//! The slot of a child has the FALLBACK tag if, and only if, an internal prefix of the node covers
//! its byte. In a full node, a slot without a child holds the longest such prefix itself. So a
//! lookup knows without looking at a node's internal prefixes whether to come back for them.
//!
//! An update of an internal prefix first changes its own slot, then those of the bytes that it
//! covers, one by one. Each key leads to one of them only, so for each key the prefix appears or
//! disappears at once.

use super::{
    node::NodeRef,
    slot::{Raw, Slot},
    stride::first_byte,
};

impl NodeRef<'_> {
    /// What `slot`, of `byte`, holds when its child is `raw`. The writer only.
    pub(super) fn child_raw(self, slot: &Slot, byte: u8, raw: Raw) -> Raw {
        let old = slot.raw();
        let covered = match self {
            _ if !old.is_vacant() => old.has_fallback(),
            NodeRef::Full(full) if full.in_array(byte).is_some() => false,
            _ => self.cover(byte, 7).is_some(),
        };
        raw.with_fallback(covered)
    }

    /// What `slot`, of `byte`, holds when its child is removed. The writer only.
    pub(super) fn childless_raw(self, slot: &Slot, byte: u8) -> Raw {
        match self {
            NodeRef::Full(full) if slot.raw().has_fallback() && full.in_array(byte).is_some() => {
                self.pushed(byte)
            }
            _ => Raw::VACANT,
        }
    }

    /// What the slot of `byte` in a full node's array holds without a child.
    pub(super) fn pushed(self, byte: u8) -> Raw {
        self.cover(byte, 7)
            .map_or(Raw::VACANT, |entry| entry.pushed())
    }

    /// Updates the slots of the bytes that the internal prefix `index` covers, after that was
    /// inserted, removed or replaced. The writer only.
    pub(super) fn refresh(self, index: u8) {
        let Some(len) = index.checked_ilog2() else {
            return;
        };
        let first = first_byte(index);
        for byte in first..=first | (0xff >> len) as u8 {
            let Some(slot) = self.child(byte) else {
                continue;
            };
            let old = slot.raw();
            let new = match self {
                _ if old.is_taken() => old.with_fallback(self.cover(byte, 7).is_some()),
                NodeRef::Full(full) if full.in_array(byte).is_some() => self.pushed(byte),
                _ => old,
            };
            if new != old {
                slot.publish(new);
            }
        }
    }
}
