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
pub fn compare(
    family: Family,
    set: &PrefixSet,
    maps: [&OriginMap; 2],
    seed: u64,
    style: Style,
) -> Result<usize> {
    let mut rng = Rng::with_seed(seed);
    let mut covered = 0;
    let what = format!("compare {}", family.name());
    let mut progress = Progress::new(style, what, ADDRESSES);
    for index in 0..ADDRESSES {
        let addr = random_address(&mut rng, family, set, index % 2 == 0);
        let expected = set.longest_match(addr).map(|entry| entry.value);
        let answers = [maps[0].lookup(addr)?, maps[1].lookup(addr)?];
        if answers != [expected; 2] {
            bail!(
                "the answers for {} differ: {} says {}, {} says {}, the list says {} \
                 (repeat this with --seed {seed})",
                family.address(addr),
                maps[0].kind().name,
                answer(answers[0]),
                maps[1].kind().name,
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

fn random_address(rng: &mut Rng, family: Family, set: &PrefixSet, uniform: bool) -> u128 {
    // Bits beyond the family's size are zero, as in `left_aligned`.
    let random = rng.u128(..) & (u128::MAX << (128 - family.bits()));
    match rng.choice(set.entries()) {
        Some(entry) if !uniform => {
            let prefix = entry.prefix;
            prefix.start() | random & (prefix.start() ^ prefix.end())
        }
        _ => random,
    }
}

fn answer(value: Option<u64>) -> String {
    value.map_or_else(|| "no match".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Table;

    #[test]
    fn half_of_the_addresses_lie_inside_prefixes() {
        let table = Table::parse(b"10.1.2.3/8 1\n2001:db8::/32 2\n");
        let mut rng = Rng::with_seed(7);
        for family in Family::BOTH {
            let set = table.family(family);
            for _ in 0..1000 {
                let inside = random_address(&mut rng, family, set, false);
                assert!(set.longest_match(inside).is_some(), "{inside:x} is covered");
                for addr in [inside, random_address(&mut rng, family, set, true)] {
                    let back = crate::prefix::left_aligned(family.address(addr));
                    assert_eq!(back, addr, "no bits are set beyond the family's size");
                }
            }
        }
    }

    #[test]
    fn an_empty_family_gives_uniform_addresses() {
        let table = Table::parse(b"");
        let mut rng = Rng::with_seed(7);
        random_address(&mut rng, Family::V4, table.family(Family::V4), false);
    }
}
