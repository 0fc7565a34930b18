//! The command line of `thaw vm`.

use clap::{Args, Subcommand, ValueEnum};
use thaw_api_types::VmState;

use super::{Connection, VmCopy, VmExec, VmForward, VmKill, VmLogs, VmOutput, VmTerminal, VmUsage};

#[derive(Debug, Subcommand)]
pub(crate) enum Vm {
    /// Make a VM that stays, and print its id.
    Create(VmCreate),
    /// List the VMs, newest first.
    Ls(VmLs),
    /// Show everything about one.
    Inspect(OneVm),
    /// Stop its CPUs until it is resumed; its memory stays.
    Pause(OneVm),
    /// Let a paused one go on.
    Resume(OneVm),
    /// Power it off; its disk stays.
    Stop(OneVm),
    /// Boot a stopped one from its disk.
    Start(OneVm),
    /// Give it another name.
    Rename {
        /// Its id or name, or the beginning of its id.
        vm: String,
        /// The new name.
        name: String,
        #[command(flatten)]
        connection: Connection,
    },
    /// End VMs and forget them; their disks are gone.
    Rm {
        /// Their ids or names, or the beginnings of their ids.
        #[arg(required = true)]
        vms: Vec<String>,
        #[command(flatten)]
        connection: Connection,
    },
    /// Copy files and folders into and out of one.
    Cp(VmCopy),
    /// Run a program in one, with its output as it comes.
    Exec(VmExec),
    /// List the programs in the background of one.
    Execs(OneVm),
    /// Print what a program in the background has written.
    Output(VmOutput),
    /// Send a signal to a program in the background, or forget it.
    Kill(VmKill),
    /// Open a terminal in one.
    Terminal(VmTerminal),
    /// Let programs here connect to a port in one.
    Forward(VmForward),
    /// Show what VMs use: CPU time, memory, disk, processes.
    #[command(visible_alias = "stats")]
    Usage(VmUsage),
    /// Print what one has said on its console.
    Logs(VmLogs),
    /// Make more VMs that begin where this one is now, and print their ids.
    Fork(VmFork),
    /// Take a snapshot of one, and print the snapshot's id.
    Snapshot {
        /// The VM's id or name, or the beginning of its id.
        vm: String,
        /// The snapshot's name.
        name: String,
        /// A key of the snapshot's metadata (repeatable); without any it is noted what is noted of the VM.
        #[arg(long = "meta", value_name = "KEY=VALUE")]
        metadata: Vec<String>,
        #[command(flatten)]
        connection: Connection,
    },
}

/// One VM.
#[derive(Debug, Args)]
pub(crate) struct OneVm {
    /// Its id or name, or the beginning of its id.
    pub(crate) vm: String,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct VmCreate {
    /// The image: Thaw's own, else the Docker daemon's, else the registry's.
    #[arg(required_unless_present = "template")]
    pub(crate) image: Option<String>,
    /// A template's id in place of an image.
    #[arg(long, conflicts_with_all = ["image", "memory", "vcpus"])]
    pub(crate) template: Option<String>,
    /// The VM's memory in MiB.
    #[arg(long, value_name = "MIB")]
    pub(crate) memory: Option<u32>,
    /// The VM's CPUs.
    #[arg(long)]
    pub(crate) vcpus: Option<u8>,
    #[command(flatten)]
    pub(crate) traits: VmTraits,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// What a new VM is given.
#[derive(Debug, Args)]
pub(crate) struct VmTraits {
    /// Its name; no other VM may have it.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// The least size of its disk in MiB.
    #[arg(long, value_name = "MIB")]
    pub(crate) disk: Option<u64>,
    /// An environment variable of every program in it (repeatable).
    #[arg(short, long = "env", value_name = "NAME=VALUE")]
    pub(crate) env: Vec<String>,
    /// A key of its metadata (repeatable); a value that is JSON is kept as such, anything else as text.
    #[arg(long = "meta", value_name = "KEY=VALUE")]
    pub(crate) metadata: Vec<String>,
    /// Pause it after so many seconds without a request; the next one wakes it.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) idle: Option<u64>,
    /// Delete it so many seconds after its creation.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) lifetime: Option<u64>,
    /// Ask for a network. (There are none yet: it is made without one, with a warning.)
    #[arg(long)]
    pub(crate) network: bool,
    /// Give up when it is not there after so many seconds.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) timeout: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct VmLs {
    /// Only those that do this.
    #[arg(long, value_enum)]
    pub(crate) state: Option<WantedState>,
    /// Only the one of this name.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Only those of this image (its name as it was asked for, or its digest).
    #[arg(long)]
    pub(crate) image: Option<String>,
    /// Only those whose metadata has this key with this value (repeatable).
    #[arg(long = "meta", value_name = "KEY=VALUE")]
    pub(crate) metadata: Vec<String>,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// What a VM does.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum WantedState {
    /// Its CPUs run.
    Running,
    /// Its CPUs are stopped.
    Paused,
    /// It is powered off.
    Stopped,
}

impl From<WantedState> for VmState {
    fn from(wanted: WantedState) -> Self {
        match wanted {
            WantedState::Running => Self::Running,
            WantedState::Paused => Self::Paused,
            WantedState::Stopped => Self::Stopped,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct VmFork {
    /// The VM's id or name, or the beginning of its id.
    pub(crate) vm: String,
    /// How many.
    #[arg(short = 'n', long, default_value_t = 1)]
    pub(crate) count: u32,
    /// A name (repeatable: one for each, or none).
    #[arg(long = "name", value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// An environment variable in place of the VM's (repeatable).
    #[arg(short, long = "env", value_name = "NAME=VALUE")]
    pub(crate) env: Vec<String>,
    /// A key of their metadata in place of the VM's (repeatable).
    #[arg(long = "meta", value_name = "KEY=VALUE")]
    pub(crate) metadata: Vec<String>,
    #[command(flatten)]
    pub(crate) connection: Connection,
}
