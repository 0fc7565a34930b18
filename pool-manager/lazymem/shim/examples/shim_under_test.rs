//! The shim once more, for the tests: cargo builds examples for them, but not a cdylib.

#[path = "../src/message.rs"]
mod message;
#[path = "../src/plan.rs"]
mod plan;
#[path = "../src/sys/mod.rs"]
mod sys;
