//! Processes: how one is started, watched, signalled and reaped.
//!
//! ```text
//! Launch ──spawn──► Child ──wait──► status
//!                     └──drop──► group killed ──► reaped by a tracked task
//! ```
//!
//! Every child that the agent starts is waited for by its own pidfd. What the kernel hands to PID 1
//! besides, orphans, is reaped by [`Orphans`], which looks before it takes and leaves owned children alone.

mod child;
mod launch;
mod orphans;
mod sys;

pub(crate) use child::{Child, Children};
pub(crate) use launch::{Launch, LaunchError};
pub(crate) use orphans::Orphans;
pub(crate) use sys::{Ids, Step, signal_group};
