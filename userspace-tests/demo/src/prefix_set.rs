// SPDX-License-Identifier: MIT OR Apache-2.0
//! Longest-prefix match in userspace, without a trie: the reference for the maps' answers.
//!
//! The prefixes are sorted by first address, shorter ones first, and each refers to the longest one
//! that covers it. The last prefix that starts at or before an address is either the answer or
//! within it, so a search is a bisection followed by a climb:
//!
//! ```text
//! 10.0.0.0/8         not covered
//! 10.1.0.0/16        covered by 10.0.0.0/8
//! 10.1.2.0/24        covered by 10.1.0.0/16     10.1.9.9: bisect here, climb to 10.1.0.0/16
//! 10.2.0.0/16        covered by 10.0.0.0/8
//! ```

use crate::prefix::Prefix;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub prefix: Prefix,
    pub value: u64,
}

/// The prefixes of one family, without duplicates.
pub struct PrefixSet {
    entries: Vec<Entry>,
    /// For each entry, the index of the longest other prefix that covers it.
    cover: Vec<Option<u32>>,
    repeated: usize,
}

impl PrefixSet {
    /// Of several entries for the same prefix the last one wins, as when a map is updated in the
    /// order of the list.
    pub fn new(mut entries: Vec<Entry>) -> Self {
        let lines = entries.len();
        entries.reverse();
        entries.sort_by_key(|entry| order(entry.prefix));
        entries.dedup_by_key(|entry| order(entry.prefix));

        let mut cover = Vec::with_capacity(entries.len());
        let mut open: Vec<u32> = Vec::new();
        for (index, entry) in (0..).zip(&entries) {
            let ends_before =
                |&outer: &u32| entries[outer as usize].prefix.end() < entry.prefix.start();
            while open.last().is_some_and(ends_before) {
                open.pop();
            }
            cover.push(open.last().copied());
            open.push(index);
        }
        Self {
            repeated: lines - entries.len(),
            entries,
            cover,
        }
    }

    /// Sorted by first address, shorter prefixes first.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Number of lines overridden by a later line for the same prefix.
    pub fn repeated(&self) -> usize {
        self.repeated
    }

    pub fn longest_match(&self, addr: u128) -> Option<&Entry> {
        let after = self
            .entries
            .partition_point(|entry| entry.prefix.start() <= addr);
        let mut index = after.checked_sub(1)?;
        while !self.entries[index].prefix.contains(addr) {
            index = self.cover[index]? as usize;
        }
        Some(&self.entries[index])
    }
}

fn order(prefix: Prefix) -> (u128, u8) {
    (prefix.start(), prefix.len)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Random prefixes over few bits, so that most of them are nested.
    fn random_entries(rng: &mut fastrand::Rng) -> Vec<Entry> {
        (0..rng.u64(0..60))
            .map(|value| Entry {
                prefix: Prefix {
                    bits: u128::from(rng.u8(..)) << 120,
                    len: rng.u8(0..=8),
                },
                value,
            })
            .collect()
    }

    #[test]
    fn agrees_with_a_linear_search() {
        let mut rng = fastrand::Rng::with_seed(1);
        for round in 0..500 {
            let entries = random_entries(&mut rng);
            let set = PrefixSet::new(entries.clone());
            for addr in (0..=255_u128).map(|byte| byte << 120 | 5) {
                // max_by_key returns the last of equals, like updates in this order.
                let linear = entries
                    .iter()
                    .filter(|entry| entry.prefix.contains(addr))
                    .max_by_key(|entry| entry.prefix.len);
                assert_eq!(
                    set.longest_match(addr),
                    linear,
                    "address {addr:x} in round {round}"
                );
            }
        }
    }
}
