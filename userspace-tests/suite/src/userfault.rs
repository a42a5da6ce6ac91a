// SPDX-License-Identifier: MIT OR Apache-2.0
//! A page that is missing until the test supplies it: a thread that reads it sleeps
//! until then, also in the kernel. See userfaultfd(2) and uapi userfaultfd.h.

use std::{
    fs::File,
    io::{self, ErrorKind, Read},
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    ptr,
};

use anyhow::{Context, Result};

use crate::wait;

const PAGE: usize = 4096;

const UFFD_API: u64 = 0xaa;
const REGISTER_MODE_MISSING: u64 = 1;
const UFFDIO_API: u32 = 0xc018_aa3f;
const UFFDIO_REGISTER: u32 = 0xc020_aa00;
const UFFDIO_ZEROPAGE: u32 = 0xc020_aa04;
/// Size of `struct uffd_msg`.
const MESSAGE: usize = 32;

/// The missing page. Dropping it wakes up waiting readers, which get an error.
pub struct MissingPage {
    fd: File,
    page: *mut libc::c_void,
}

// SAFETY: only the page's address is used, and any thread may use the descriptor.
unsafe impl Send for MissingPage {}
// SAFETY: as above.
unsafe impl Sync for MissingPage {}

impl MissingPage {
    pub fn new() -> Result<Self> {
        let flags = libc::O_CLOEXEC | libc::O_NONBLOCK;
        // SAFETY: userfaultfd takes flags.
        let fd = unsafe { libc::syscall(libc::SYS_userfaultfd, flags) };
        if fd < 0 {
            return Err(io::Error::last_os_error()).context("userfaultfd");
        }
        // SAFETY: the call returned this descriptor, and nothing else owns it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd as i32) };
        let (access, kind) = (libc::PROT_READ, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping, at an address that the kernel chooses.
        let page = unsafe { libc::mmap(ptr::null_mut(), PAGE, access, kind, -1, 0) };
        if page == libc::MAP_FAILED {
            return Err(io::Error::last_os_error()).context("mmap");
        }
        let missing = Self {
            fd: File::from(fd),
            page,
        };
        missing
            .ioctl(UFFDIO_API, &mut [UFFD_API, 0, 0])
            .context("UFFDIO_API")?;
        let start = missing.address();
        missing
            .ioctl(
                UFFDIO_REGISTER,
                &mut [start, PAGE as u64, REGISTER_MODE_MISSING, 0],
            )
            .context("UFFDIO_REGISTER")?;
        Ok(missing)
    }

    pub fn address(&self) -> u64 {
        self.page as u64
    }

    /// Waits until a reader sleeps on the page.
    pub fn wait_for_reader(&self) -> Result<()> {
        wait::until("a reader of the missing page", || self.has_reader())
    }

    /// Whether a reader has started to sleep on the page since the last call.
    pub fn has_reader(&self) -> Result<bool> {
        let mut message = [0; MESSAGE];
        match (&self.fd).read(&mut message) {
            Ok(len) => Ok(len == MESSAGE),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error).context("read the userfaultfd"),
        }
    }

    /// Supplies a page of zeros.
    pub fn supply(&self) -> Result<()> {
        let mut range = [self.address(), PAGE as u64, 0, 0];
        self.ioctl(UFFDIO_ZEROPAGE, &mut range)
            .context("UFFDIO_ZEROPAGE")
    }

    fn ioctl<const N: usize>(&self, request: u32, words: &mut [u64; N]) -> io::Result<()> {
        let fd = self.fd.as_raw_fd();
        // SAFETY: the structures of these requests have N words, as encoded in their numbers.
        if unsafe { libc::ioctl(fd, request as _, words.as_mut_ptr()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }
}

impl Drop for MissingPage {
    fn drop(&mut self) {
        // SAFETY: `new` made this mapping, and only the kernel knows its address.
        unsafe { libc::munmap(self.page, PAGE) };
    }
}
