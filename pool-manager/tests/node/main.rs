//! The node of this process on the fake engine, through its public interface.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod leases;
mod pauses;
mod pools;
mod snapshots;
mod stays;
mod support;
mod templates;
