// SPDX-License-Identifier: GPL-2.0
//! The atomic types of everything that readers and the writer share, from `core` or, under
//! `cfg(loom)`, from the model checker.

#[cfg(not(loom))]
pub(super) use core::sync::atomic::{fence, AtomicPtr, AtomicU64};
#[cfg(loom)]
pub(super) use loom::sync::atomic::{fence, AtomicPtr, AtomicU64};

pub(super) use core::sync::atomic::Ordering;
