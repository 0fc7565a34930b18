//! What the agent says about its guest.

mod info;
mod usage;

pub(crate) use info::info;
pub(crate) use usage::usage;
