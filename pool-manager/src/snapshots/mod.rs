//! Snapshots and forks of running VMs.
//!
//! ```text
//! running ─halt─► standing ─┬─ device state, then what the guest wrote ─┐
//!                           └─ disk: shared blocks, or into memory ─────┴─► Moment ─► running goes on
//! Moment ─┬─ fork ──────────────────────────► restore × count ─► leases, awake
//!         └─ snapshots/ID/ (aside, synced, renamed) ─load─► Moment ─► restore, as often as one likes
//! restore: shell of the base template ─► memory, disk ─► load ─► the way of a lease ─► wake, programs go on
//! ```
//!
//! A moment is always a template and the whole difference to it, so a fork of a fork costs what a fork costs.
//!
//! Layout of a folder in `snapshots/`; it is named by the snapshot's id:
//!
//! ```text
//! snapshots/.staging-xxxx/  one that is being written or removed; removed at the next start
//! snapshots/ID/             manifest.json    what it is, with checksums
//!                           state.bin        the VMM's device state
//!                           delta.bin        what the guest's memory differs by from its template's
//!                           scratch.img      the scratch disk
//! ```
//!
//! A folder that can't be used is kept and named, never used and never overwritten: its snapshot is refused
//! until somebody removes it.

mod fork;
mod lookup;
mod manifest;
mod moment;
mod node;
mod restore;
mod store;
mod write;

pub(crate) use store::SnapshotStore;
