//! The guest's files: looked at, read, written, moved, removed, packed and unpacked.
//!
//! ```text
//! stream ──frames──► (4 pieces) ──► a thread that does the file's work     write, unpack
//! stream ◄─frames── (4 pieces) ◄── a thread that does the file's work     read, list, pack
//!    host gone: the pieces end, the work ends, what was half done is taken back
//! ```
//!
//! File systems block, and some for ever; so the work is done on threads of the runtime's pool, one for each
//! operation, and never on the one that attends to everything else.

mod failure;
mod info;
mod list;
mod pack;
mod pipe;
mod read;
mod replacement;
mod request;
mod tree;
mod unpack;
mod write;

pub(crate) use request::files;
