//! The command line of `thaw snapshot`.

use clap::Subcommand;

use super::{Connection, VmTraits};

#[derive(Debug, Subcommand)]
pub(crate) enum Snapshot {
    /// List the snapshots, newest first.
    Ls {
        /// Only those whose metadata has this key with this value (repeatable).
        #[arg(long = "meta", value_name = "KEY=VALUE")]
        metadata: Vec<String>,
        #[command(flatten)]
        connection: Connection,
    },
    /// Show everything about one.
    Inspect {
        /// Its id or name, or the beginning of its id.
        snapshot: String,
        #[command(flatten)]
        connection: Connection,
    },
    /// Make a VM that begins where the snapshot was taken, and print its id.
    Restore {
        /// The snapshot's id or name, or the beginning of its id.
        snapshot: String,
        #[command(flatten)]
        traits: VmTraits,
        #[command(flatten)]
        connection: Connection,
    },
    /// Give it another name.
    Rename {
        /// Its id or name, or the beginning of its id.
        snapshot: String,
        /// The new name.
        name: String,
        #[command(flatten)]
        connection: Connection,
    },
    /// Remove snapshots; VMs that were restored from them go on.
    Rm {
        /// Their ids or names, or the beginnings of their ids.
        #[arg(required = true)]
        snapshots: Vec<String>,
        #[command(flatten)]
        connection: Connection,
    },
}
