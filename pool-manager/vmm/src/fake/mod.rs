//! An engine without virtual machines: its guests are tasks that speak the real protocol over a real
//! multiplexed connection, so that the layers above can be tested in every phase of a VM's life.
//!
//! A guest runs only while its machine does, answers as the agent does, and knows a few programs
//! (see [`programs`](self::programs)). What goes wrong is chosen with [`FakeFaults`].

mod agent;
mod engine;
mod functions;
mod machine;
mod ports;
mod programs;

pub use engine::{FakeEngine, FakeFaults};
