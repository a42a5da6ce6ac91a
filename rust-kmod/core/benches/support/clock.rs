// SPDX-License-Identifier: GPL-2.0
//! CPU time of the calling thread, which does not include other threads' time slices.

/// Nanoseconds.
pub fn now() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid timespec to write to.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(result, 0, "the clock exists on Linux");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
