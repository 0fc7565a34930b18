//! PID 1: from the kernel's hand-over to the first connection, and the end.
//!
//! ```text
//! kernel ──► proc, sys, dev ──► modules ──► root + scratch = overlay ──► switch root ──► serve ⟲
//!                 └───────────────┴──────────────┴── error, panic ──► said on the console, power off
//! ```

mod cmdline;
mod console;
mod end;
mod error;
mod files;
mod limits;
mod machine;
mod modules;
mod mounts;
mod root;
mod sys;

pub use error::BootError;
pub use machine::Machine;

pub(crate) use end::{PowerOff, power_off, write_back};
