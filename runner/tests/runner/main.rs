//! The runner over a node on the fake engine.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod double;
mod execs;
mod idle;
mod restart;
mod snapshots;
mod support;
mod vms;
