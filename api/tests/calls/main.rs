//! The whole service over HTTP, on the fake engine: what a client sees of every answer and every refusal.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod dashboard;
mod events;
mod functions;
mod gate;
mod hang_up;
mod metrics;
mod output;
mod refusals;
mod vms;
mod world;
