// SPDX-License-Identifier: MIT OR Apache-2.0
//! A figure of both map types, and which of the two is better by it.

use std::time::Duration;

use crate::{life::Life, pair::Pair, turns::Work};

/// How a figure is written, and what is better.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unit {
    /// Less is better.
    Bytes,
    /// Neither more nor less is better.
    ReportedBytes,
    /// By how many times something is off; 1 is right.
    Factor,
    /// Less is better.
    Seconds,
    /// More is better.
    PerSecond,
}

#[derive(Clone, Debug)]
pub struct Figure {
    pub what: &'static str,
    pub unit: Unit,
    /// Of LPM_TRIE and of LPM_MTRIE.
    pub values: [f64; 2],
    /// Other work of the machine may be all that was measured.
    pub noise: bool,
}

/// LPM_MTRIE compared with LPM_TRIE, with the number of times.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    Better(f64),
    Worse(f64),
    /// Another run may show the difference the other way round.
    AboutEqual,
    TooSmall,
    NotCompared,
}

const CLEAR: f64 = 1.1;
const SMALL_SIZE: u64 = 1 << 20;
const SMALL_TIME: Duration = Duration::from_millis(20);

impl Figure {
    pub fn outcome(&self) -> Outcome {
        let [trie, mtrie] = self.values;
        let times = match self.unit {
            Unit::ReportedBytes => return Outcome::NotCompared,
            _ if self.noise => return Outcome::TooSmall,
            Unit::PerSecond => mtrie / trie,
            Unit::Bytes | Unit::Factor | Unit::Seconds => trie / mtrie,
        };
        if times >= CLEAR {
            Outcome::Better(times)
        } else if times <= 1.0 / CLEAR {
            Outcome::Worse(1.0 / times)
        } else {
            Outcome::AboutEqual
        }
    }
}

/// All figures of a family.
pub fn figures(lives: &[Life; 2], pair: &Pair, lookups: [Work; 2]) -> Vec<Figure> {
    let lives = lives.each_ref();
    let taken = lives.map(|life| life.taken);
    let reported = lives.map(|life| life.reported);
    let small = taken.iter().all(|taken| *taken < SMALL_SIZE);
    let off = [0, 1].map(|kind| {
        let share = reported[kind] as f64 / taken[kind] as f64;
        share.max(1.0 / share)
    });
    let memory = |what, unit, values, noise| Figure {
        what,
        unit,
        values,
        noise,
    };
    let bytes = |bytes: [u64; 2]| bytes.map(|bytes| bytes as f64);
    let free = lives.map(|life| life.free);
    vec![
        memory("memory taken", Unit::Bytes, bytes(taken), small),
        memory(
            "memory reported by the map",
            Unit::ReportedBytes,
            bytes(reported),
            small,
        ),
        memory("the report is off by", Unit::Factor, off, small),
        rate("lookups by a program", lookups),
        rate("loaded in batches", pair.loads.in_batches),
        rate("loaded one by one", pair.loads.one_by_one),
        rate("read in batches", pair.walk_in_batches),
        rate("read by get_next_key", pair.walk_by_keys),
        Figure {
            what: "freed after close in",
            unit: Unit::Seconds,
            values: free.map(|time| time.as_secs_f64()),
            noise: small || too_short(free),
        },
    ]
}

fn rate(what: &'static str, work: [Work; 2]) -> Figure {
    Figure {
        what,
        unit: Unit::PerSecond,
        values: work.map(|work| work.elements as f64 / work.time.as_secs_f64()),
        noise: too_short(work.map(|work| work.time)),
    }
}

fn too_short(times: [Duration; 2]) -> bool {
    times.iter().all(|time| *time < SMALL_TIME)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(unit: Unit, values: [f64; 2]) -> Outcome {
        let (what, noise) = ("", false);
        let figure = Figure {
            what,
            unit,
            values,
            noise,
        };
        let ignored = Figure {
            noise: true,
            ..figure.clone()
        }
        .outcome();
        assert!(matches!(ignored, Outcome::TooSmall | Outcome::NotCompared));
        figure.outcome()
    }

    #[test]
    fn less_time_and_memory_and_more_per_second_are_better() {
        assert_eq!(outcome(Unit::Seconds, [2.0, 1.0]), Outcome::Better(2.0));
        assert_eq!(outcome(Unit::Seconds, [1.0, 4.0]), Outcome::Worse(4.0));
        assert_eq!(outcome(Unit::Bytes, [4e6, 1e6]), Outcome::Better(4.0));
        assert_eq!(outcome(Unit::PerSecond, [1.0, 3.0]), Outcome::Better(3.0));
        assert_eq!(outcome(Unit::PerSecond, [3.0, 1.5]), Outcome::Worse(2.0));
        assert_eq!(outcome(Unit::Factor, [3.0, 1.5]), Outcome::Better(2.0));
        assert_eq!(outcome(Unit::Seconds, [1.05, 1.0]), Outcome::AboutEqual);
        assert_eq!(
            outcome(Unit::ReportedBytes, [2e9, 1e9]),
            Outcome::NotCompared
        );
    }

    #[test]
    fn a_rate_of_a_short_time_is_noise() {
        let work = |elements, milliseconds| Work {
            elements,
            time: Duration::from_millis(milliseconds),
        };
        let figure = rate("", [work(100, 1000), work(100, 10)]);
        assert_eq!(figure.outcome(), Outcome::Better(100.0));
        let figure = rate("", [work(1, 1), work(1, 10)]);
        assert_eq!(figure.outcome(), Outcome::TooSmall);
        let nothing = rate("", [work(0, 0), work(0, 0)]);
        assert_eq!(nothing.outcome(), Outcome::TooSmall);
    }
}
