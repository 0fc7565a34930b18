//! `/v1/vms`, `/v1/snapshots` and `/v1/events` over HTTP, on the fake engine.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fuzz;
mod lifecycle;
mod support;
