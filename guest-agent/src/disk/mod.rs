//! The scratch disk, which the host may make larger.

mod grow;
mod sys;

pub(crate) use grow::Scratch;
