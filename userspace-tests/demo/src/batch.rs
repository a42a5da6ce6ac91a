// SPDX-License-Identifier: MIT OR Apache-2.0
//! Batch updates of a list of elements, resumed when a call stops early.
//!
//! LPM_TRIE's allocator refills its reserve from an interrupt; a batch that outruns it fails with
//! ENOMEM even if memory is available. The elements before the failure are in the map. The rest is
//! retried after a short wait for the interrupt, and each retry is counted.

use std::{io, thread, time::Duration};

use raw_bpf::raw_map::Batch;

const REFILL: Duration = Duration::from_millis(1);
/// This many consecutive failures without progress mean that memory is really exhausted.
const MAX_REFUSALS: u32 = 2_000;

/// The element that was refused, and the error.
#[derive(Debug)]
pub struct Refused {
    pub index: usize,
    pub error: io::Error,
}

/// Calls `update` with the remaining elements until none are left; returns the number of retries.
pub fn update_all<T>(
    elements: &[T],
    mut update: impl FnMut(&[T]) -> Batch,
) -> Result<u32, Refused> {
    let (mut index, mut retries, mut refusals) = (0, 0, 0);
    while index < elements.len() {
        let Batch { count, result } = update(&elements[index..]);
        let Err(error) = result else { break };
        // The kernel returns the number of accepted elements in an attribute that is unchanged if
        // the whole call was rejected. So an error with the full count means that none were.
        let accepted = match count as usize {
            count if count < elements.len() - index => count,
            _ => 0,
        };
        index += accepted;
        refusals = if accepted == 0 { refusals + 1 } else { 1 };
        if error.raw_os_error() != Some(libc::ENOMEM) || refusals > MAX_REFUSALS {
            return Err(Refused { index, error });
        }
        retries += 1;
        thread::sleep(REFILL);
    }
    Ok(retries)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A map that accepts `step` elements per call and fails with `errno` if there are more.
    fn update_in_steps(
        elements: &[u8],
        step: usize,
        errno: i32,
    ) -> (Vec<u8>, Result<u32, Refused>) {
        let mut accepted = Vec::new();
        let result = update_all(elements, |left| {
            let count = left.len().min(step);
            accepted.extend_from_slice(&left[..count]);
            let result = match count < left.len() {
                true => Err(io::Error::from_raw_os_error(errno)),
                false => Ok(()),
            };
            Batch {
                count: count as u32,
                result,
            }
        });
        (accepted, result)
    }

    #[test]
    fn goes_on_after_enomem_from_the_refused_element() {
        let elements: Vec<u8> = (0..10).collect();
        let (accepted, result) = update_in_steps(&elements, 3, libc::ENOMEM);
        assert_eq!(
            accepted, elements,
            "each element is accepted once, in order"
        );
        assert_eq!(
            result.ok(),
            Some(3),
            "three calls stop early, the fourth does not"
        );
        let (accepted, result) = update_in_steps(&elements, 10, libc::ENOMEM);
        assert_eq!((accepted, result.ok()), (elements, Some(0)));
    }

    #[test]
    fn gives_up_where_nothing_moves() {
        let (accepted, result) = update_in_steps(&[1, 2], 0, libc::ENOMEM);
        let refused = result.expect_err("no element was ever accepted");
        assert_eq!((accepted.len(), refused.index), (0, 0));
        assert_eq!(refused.error.raw_os_error(), Some(libc::ENOMEM));
    }

    #[test]
    fn other_errors_end_it_and_name_the_element() {
        let (accepted, result) = update_in_steps(&[1, 2, 3], 2, libc::ENOSPC);
        let refused = result.expect_err("ENOSPC is final");
        assert_eq!((accepted, refused.index), (vec![1, 2], 2));
    }

    #[test]
    fn a_call_rejected_as_a_whole_accepted_nothing() {
        let refused = update_all(&[1, 2, 3], |left| Batch {
            count: left.len() as u32,
            result: Err(io::Error::from_raw_os_error(libc::EPERM)),
        });
        assert_eq!(refused.expect_err("EPERM is final").index, 0);
    }
}
