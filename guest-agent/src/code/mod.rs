//! Code runs: source code in an interpreter that is already there.
//!
//! ```text
//! start ──ready──► idle ──prove──► idle            a fixed snippet in a namespace that is thrown away
//!   │               ├──rehearse──► idle            the same as a request, with streams of its own
//!   │               ├──run──► is the program       used once, then gone; no fork
//!   │               └──fork─► idle + a child       for a VM that lives on
//!   └── no such program ─► NoInterpreter
//! ```
//!
//! All clones of a template share what the interpreter drew at its start, such as python's hash seed.
//! Generators of random numbers are seeded anew before any code runs.

mod forked;
mod interpreters;
mod message;
mod rehearsing;
mod request;
mod resident;
mod turned;

pub(crate) use forked::Forked;
pub(crate) use interpreters::Interpreters;
pub(crate) use rehearsing::Rehearsing;
pub(crate) use request::{Use, code};
pub(crate) use turned::Turned;
