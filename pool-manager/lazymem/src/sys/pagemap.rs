//! Which pages of a process are its own: `PAGEMAP_SCAN`, or the page map entry by entry.
//!
//! Source: Linux's `include/uapi/linux/fs.h`, Documentation/admin-guide/mm/pagemap.rst.

use std::{fs::File, io, os::fd::AsRawFd as _};

const PAGE_IS_FILE: u64 = 1 << 2;
const PAGE_IS_PRESENT: u64 = 1 << 3;
const PAGE_IS_SWAPPED: u64 = 1 << 4;
const PAGE_IS_PFNZERO: u64 = 1 << 5;

/// `struct page_region`
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PageRegion {
    pub(crate) start: u64,
    pub(crate) end: u64,
    categories: u64,
}

/// `struct pm_scan_arg`
#[repr(C)]
#[derive(Debug, Default)]
struct ScanArgument {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    vec: u64,
    vec_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

mod ioctl {
    use super::ScanArgument;

    nix::ioctl_readwrite!(scan, b'f', 16, ScanArgument);
}

/// Fills `found` with ranges from `start` that are present or swapped, and neither pages of a file
/// nor the zero page. Returns how many, and the address up to which was looked.
pub(crate) fn pagemap_scan(
    pagemap: &File,
    start: u64,
    end: u64,
    found: &mut [PageRegion],
) -> io::Result<(usize, u64)> {
    let mut argument = ScanArgument {
        size: size_of::<ScanArgument>() as u64,
        start,
        end,
        vec: found.as_mut_ptr() as u64,
        vec_len: found.len() as u64,
        // "Not file and not zero page" are the two that must be set once they are inverted.
        category_inverted: PAGE_IS_FILE | PAGE_IS_PFNZERO,
        category_mask: PAGE_IS_FILE | PAGE_IS_PFNZERO,
        category_anyof_mask: PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
        // Ranges are told apart by these categories; with one that none has, neighbours are one.
        return_mask: PAGE_IS_FILE,
        ..ScanArgument::default()
    };
    // SAFETY: the kernel writes at most `vec_len` regions into `found`, and its answer into
    // `argument`.
    let count = unsafe { ioctl::scan(pagemap.as_raw_fd(), &raw mut argument) }?;
    Ok((count as usize, argument.walk_end))
}

/// Whether the kernel knows the call.
pub(crate) fn try_pagemap_scan() -> io::Result<()> {
    let pagemap = File::open("/proc/self/pagemap")?;
    pagemap_scan(&pagemap, 0, 4096, &mut [PageRegion::default()]).map(drop)
}
