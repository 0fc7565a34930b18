//! Wake: what a restored clone must put right before anything else runs.

mod identity;
mod random;
mod sys;
mod tasks;

pub(crate) use identity::Identity;
pub(crate) use random::Random;
pub(crate) use tasks::{set_clock_back, wake};
