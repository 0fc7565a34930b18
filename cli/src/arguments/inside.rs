//! The command line of what happens inside a VM.

use clap::Args;

use super::Connection;

/// One of the two places is NAME:/path, the other a path here; `-` is standard input or output.
#[derive(Debug, Args)]
pub(crate) struct VmCopy {
    /// What to copy. A folder is copied with everything in it.
    pub(crate) from: String,
    /// Where to: into a folder that is there, or under this very path.
    pub(crate) to: String,
    #[command(flatten)]
    pub(crate) connection: Connection,
}
