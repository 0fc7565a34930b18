//! A function's code: an archive that somebody sent, checked and made into one plain tar.
//!
//! ```text
//! bytes ─► zip | tar | tar.gz ─► entries, each checked ─► tar in a fixed order ─► functions/code/<sha256>.tar
//!             └─ not an archive, too large, unsafe ─► CodeError, nothing is kept
//! ```
//!
//! Nothing is ever unpacked on the host: paths, modes and links of the archive are checked here and become
//! files in the guest only. The same files make the same tar, so the digest tells code from other code.

mod archive;
mod entries;
mod error;
mod limits;
mod path;
mod store;

pub use error::CodeError;
pub use limits::CodeLimits;
pub(crate) use store::{CodeStore, HeldCode};
