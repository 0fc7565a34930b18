//! Preloaded into a VMM: maps template memory privately and registers it with userfaultfd.
//!
//! The VMM is told that its memory is a shared mapping of a memfd, which keeps the memory out of its
//! device state. This library acts on the `mmap` of that one memfd, known by its inode; every other
//! mapping is made as it came. Besides, it spares the VMM memory that it has no use for (`sys/lean`).
//! How it maps the memory is said by one environment variable, `THAW_SHIM` (see `plan`), which it
//! takes out of the environment at once:
//!
//! - `whole`: the memfd holds everything. Mapped privately.
//! - `file`: the memfd only stands for a file of frozen memory, which is mapped privately in its place.
//! - `lazy`: the memfd is filled on demand. Mapped privately and registered with a userfaultfd, made by
//!   an inherited /dev/userfaultfd and handed to the page server over an inherited socket by
//!   Firecracker's handshake. The VMM's own descriptor of it stays open: while it is, a lost page
//!   server makes the guest wait, where a closed one would make it read zeros.
//!
//! Every failure ends the process with a message on stderr: a VMM that ran on would run on the wrong
//! memory. Nothing here allocates, because it may run inside anybody's allocator.

mod message;
mod plan;
// The tests' own process keeps the C library's `mmap`.
#[cfg(not(test))]
mod sys;
