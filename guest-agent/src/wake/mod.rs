//! Wake: what a restored clone must put right before anything else runs.

mod identity;
mod sys;
mod tasks;

pub(crate) use identity::Identity;
pub(crate) use tasks::{set_clock_back, wake};
