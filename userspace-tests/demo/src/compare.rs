// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lookups of random addresses in both map types and the list itself: all three must agree.
//!
//! Half of the addresses are uniform over the whole address space, most of which has no match if
//! the family is sparse; the other half are within random prefixes of the table.

use anyhow::{Result, bail};
use fastrand::Rng;

use crate::{
    origin_map::OriginMap,
    prefix::Family,
    prefix_set::PrefixSet,
    progress::{Progress, Style},
};

/// Addresses per family.
pub const ADDRESSES: usize = 200_000;
/// Addresses per step of the progress display.
const CHUNK: usize = 2_000;

/// Returns the number of addresses that a prefix covers.
pub fn compare(maps: [&OriginMap; 2], set: &PrefixSet, seed: u64, style: Style) -> Result<usize> {
    let family = maps[0].family;
    let mut rng = Rng::with_seed(seed);
    let mut covered = 0;
    let what = format!("{} lookups", family.name());
    let progress = Progress::new(style, what, "compare the answers", ADDRESSES);
    progress.part("compare the answers");
    for index in 0..ADDRESSES {
        let addr = match index % 2 {
            0 => random_address(&mut rng, family),
            _ => address_within(&mut rng, family, set),
        };
        let expected = set.longest_match(addr).map(|entry| entry.value);
        let answers = [maps[0].lookup(addr)?, maps[1].lookup(addr)?];
        if answers != [expected; 2] {
            bail!(
                "the answers for {} differ: {} says {}, {} says {}, the list says {} \
                 (repeat this with --seed {seed})",
                family.address(addr),
                maps[0].kind.name,
                answer(answers[0]),
                maps[1].kind.name,
                answer(answers[1]),
                answer(expected),
            );
        }
        covered += usize::from(expected.is_some());
        if (index + 1) % CHUNK == 0 {
            progress.advance(CHUNK);
        }
    }
    Ok(covered)
}

/// Any address. Bits beyond the family's size are zero, as in `left_aligned`.
fn random_address(rng: &mut Rng, family: Family) -> u128 {
    rng.u128(..) & (u128::MAX << (128 - family.bits()))
}

/// An address within a prefix of the table, any if there is none.
pub fn address_within(rng: &mut Rng, family: Family, set: &PrefixSet) -> u128 {
    let random = random_address(rng, family);
    rng.choice(set.entries()).map_or(random, |entry| {
        let prefix = entry.prefix;
        prefix.start() | random & (prefix.start() ^ prefix.end())
    })
}

fn answer(value: Option<u64>) -> String {
    value.map_or_else(|| "no match".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Table;

    #[test]
    fn addresses_within_the_table_are_covered() {
        let table = Table::parse(b"10.1.2.3/8 1\n2001:db8::/32 2\n");
        let mut rng = Rng::with_seed(7);
        for family in Family::BOTH {
            let set = table.family(family);
            for _ in 0..1000 {
                let inside = address_within(&mut rng, family, set);
                assert!(set.longest_match(inside).is_some(), "{inside:x} is covered");
                for addr in [inside, random_address(&mut rng, family)] {
                    let back = crate::prefix::left_aligned(family.address(addr));
                    assert_eq!(back, addr, "no bits are set beyond the family's size");
                }
            }
        }
    }
}
