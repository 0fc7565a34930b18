//! The node with real guests: QEMU in software emulation, the distribution's kernel, the real agent.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod copies;
mod deaths;
mod execs;
mod functions;
mod left_behind;
mod memory;
mod pauses;
mod stays;
mod world;
