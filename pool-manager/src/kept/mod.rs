//! VMs that stay: kept across execs, powered off and booted, adopted by the next daemon.
//!
//! ```text
//! keep:      disk gets a name ─► row ─► the VMM outlives the daemon
//! pause:     CPUs stop ─► row        resume: CPUs run ─► row
//! power_off: the guest powers off, or is killed ─► disk synced ─► row
//! boot:      a VMM is started and woken ─► row ─► it outlives the daemon
//! release:   row ─► the VMM is killed ─► its disk is removed
//! ends by itself: row ─► VmEvent
//! start of the daemon: rows whose process is there are adopted; the others are stopped; then every VMM and
//!            every disk without a row is removed
//! ```
//!
//! A row is written after what it says is true and before anybody is told. Whatever a killed daemon leaves in
//! between has no row, or a row that says less than there is: a VMM without one is ended and a disk without
//! one is removed by the next start, a row whose process is gone becomes a stopped VM, and a pause or resume
//! that was not recorded is undone or taken over. Only `release` removes its row first: what was released
//! never comes back.
//!
//! One task at a time changes a VM, by holding its turn; it goes on when its caller leaves.

mod adopt;
mod boot;
mod change;
mod console;
mod folders;
mod follow;
mod keep;
mod node;
mod table;
mod usage;
mod vm;

pub(crate) use table::{KeptSetup, KeptVms, Leases};
