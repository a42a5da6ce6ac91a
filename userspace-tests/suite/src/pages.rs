// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory followed by an inaccessible page: a buffer that is too short for the kernel's
//! access.

use std::{io, ptr};

use anyhow::{Context, Result};

const PAGE: usize = 4096;

/// Bytes at the end of a page that is followed by an inaccessible one.
pub struct BeforeNothing {
    pages: *mut libc::c_void,
    len: usize,
}

impl BeforeNothing {
    pub fn new(bytes: &[u8]) -> Result<Self> {
        assert!(bytes.len() <= PAGE, "more bytes than a page has");
        let (access, kind) = (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
        );
        // SAFETY: a new mapping, at an address that the kernel chooses.
        let pages = unsafe { libc::mmap(ptr::null_mut(), 2 * PAGE, access, kind, -1, 0) };
        if pages == libc::MAP_FAILED {
            return Err(io::Error::last_os_error()).context("mmap");
        }
        let len = bytes.len();
        let buffer = Self { pages, len };
        // SAFETY: the first page is writable and only used here; the copy ends where it ends.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), buffer.start(), len) };
        // SAFETY: this is the second page of the mapping, which nothing uses.
        if unsafe { libc::mprotect(pages.add(PAGE), PAGE, libc::PROT_NONE) } != 0 {
            return Err(io::Error::last_os_error()).context("mprotect");
        }
        Ok(buffer)
    }

    fn start(&self) -> *mut u8 {
        self.pages.cast::<u8>().wrapping_add(PAGE - self.len)
    }

    pub fn address(&self) -> u64 {
        self.start() as u64
    }
}

impl Drop for BeforeNothing {
    fn drop(&mut self) {
        // SAFETY: `new` made this mapping, and gave its addresses only to the kernel.
        unsafe { libc::munmap(self.pages, 2 * PAGE) };
    }
}
