// SPDX-License-Identifier: MIT OR Apache-2.0
//! Maps of both types do the same work in turns, so that other work of the machine slows both.

use std::time::Duration;

use anyhow::Result;

/// Elements of a turn, and of a batch.
pub const BATCH: usize = 4096;

/// What was done, and the time that it took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Work {
    pub elements: usize,
    pub time: Duration,
}

/// Calls both until they have no more to do, which they say by `None`; adds up what they did.
pub fn in_turns<T: FnMut() -> Result<Option<Work>>>(mut turns: [T; 2]) -> Result<[Work; 2]> {
    let mut sums = [Work::default(); 2];
    let mut busy = true;
    while busy {
        busy = false;
        for (turn, sum) in turns.iter_mut().zip(&mut sums) {
            if let Some(work) = turn()? {
                sum.elements += work.elements;
                sum.time += work.time;
                busy = true;
            }
        }
    }
    Ok(sums)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn both_do_all_of_their_work_in_turns() {
        let order = RefCell::new(vec![]);
        let turns = |name: char, mut left: u64| {
            let order = &order;
            move || {
                if left == 0 {
                    return Ok(None);
                }
                left -= 1;
                order.borrow_mut().push(name);
                Ok(Some(Work {
                    elements: 2,
                    time: Duration::from_secs(1),
                }))
            }
        };
        let sums = in_turns([turns('a', 1), turns('b', 3)]).expect("no turn fails");
        assert_eq!(sums.map(|work| work.elements), [2, 6]);
        assert_eq!(sums.map(|work| work.time.as_secs()), [1, 3]);
        assert_eq!(order.into_inner(), ['a', 'b', 'b', 'b']);
    }
}
