//! `/v1/vms`, `/v1/snapshots`, `/v1/events` and `/api` over HTTP, on the fake engine.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bandsox;
mod full;
mod fuzz;
mod lifecycle;
mod limits;
mod messages;
mod support;
