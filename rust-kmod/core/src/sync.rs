// SPDX-License-Identifier: GPL-2.0
//! The atomic type through which blocks are published, from `core` or, under `cfg(loom)`, from the
//! model checker.

#[cfg(not(loom))]
pub(super) use core::sync::atomic::AtomicPtr;
#[cfg(loom)]
pub(super) use loom::sync::atomic::AtomicPtr;

pub(super) use core::sync::atomic::Ordering;
