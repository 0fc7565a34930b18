#![expect(
    unsafe_code,
    reason = "maps memory and makes system calls that no crate wraps"
)]
//! The mapping, the userfaultfd and the system calls of template memory.

mod descriptors;
mod mapping;
mod pagemap;
mod uffd;

pub(crate) use descriptors::{pidfd_getfd, pidfd_open, receive};
pub(crate) use mapping::SharedMapping;
pub(crate) use pagemap::{PageRegion, pagemap_scan, try_pagemap_scan};
pub(crate) use uffd::{FaultBuffer, Outcome, Userfault, from_device, from_syscall};
