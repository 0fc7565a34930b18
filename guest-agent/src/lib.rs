//! The agent inside a guest: everything that runs in a VM runs through it.
//!
//! [`Machine`] is the guest as PID 1 sees it: boot, transport, end. [`Agent`] and [`serve`] are the part
//! that answers the host; they need no VM and are tested without one.

mod agent;
mod background;
mod boot;
mod code;
mod dial;
mod disk;
mod exec;
mod failure;
mod files;
mod functions;
mod operation;
mod prepare;
mod process;
mod report;
mod rest;
mod session;
mod sys;
mod transport;
mod wake;
mod wire;

pub use agent::{Agent, Powers};
pub use boot::{BootError, Machine};
pub use session::{SessionError, serve};
