//! The host's side of the conversation, for tests.

#![expect(
    dead_code,
    reason = "every test file is a program of its own and uses a part of this"
)]

pub(crate) mod function;
pub(crate) mod guest;
pub(crate) mod host;
mod sys;
