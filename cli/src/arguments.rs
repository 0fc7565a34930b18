//! The command line.

mod inside;
mod snapshot;
mod vm;

use std::{net::SocketAddr, path::PathBuf};

use anyhow::{Result, ensure};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::{
    auth_arguments::{Auth, Key},
    commands::FunctionCommand,
    fetch::{Origin, Sha256Hex},
    logging::LogFormat,
};

pub(crate) use inside::{
    OneExec, VmCopy, VmExec, VmForward, VmKill, VmLogs, VmOutput, VmTerminal, VmUsage,
};
pub(crate) use snapshot::Snapshot;
pub(crate) use vm::{OneVm, Vm, VmCreate, VmFork, VmLs, VmTraits};

/// Runs untrusted code in microVMs thawed from warm snapshots.
///
/// `thaw serve` is the daemon; the other commands talk to it over HTTP.
#[derive(Debug, Parser)]
#[command(name = "thaw", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What there is to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the daemon.
    Serve(Serve),
    /// Get everything ready: check the host, take a kernel, make an image and bake its template.
    Init(Init),
    /// Check what this machine has and lacks for running VMs.
    Doctor(Doctor),
    /// Run a program in a fresh VM, as `docker run --rm` does in a container.
    Run(Run),
    /// Run a program in a VM that is there.
    Exec(Exec),
    /// Make, list and remove images.
    #[command(subcommand)]
    Image(Image),
    /// List, inspect and remove templates.
    #[command(subcommand)]
    Template(Template),
    /// List pools and set their bounds.
    #[command(subcommand)]
    Pool(Pool),
    /// Turn authentication on and off, on the daemon's machine.
    #[command(subcommand)]
    Auth(Auth),
    /// Make, list and revoke API keys.
    #[command(subcommand)]
    Key(Key),
    /// Make, list, pause, stop, fork and remove VMs that stay.
    #[command(subcommand)]
    Vm(Vm),
    /// List, restore, rename and remove snapshots of VMs.
    #[command(subcommand)]
    Snapshot(Snapshot),
    /// Deploy functions and give them events.
    #[command(subcommand)]
    Fn(FunctionCommand),
    /// Write a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// The server to talk to.
#[derive(Debug, Clone, Args)]
pub(crate) struct Connection {
    /// The daemon's address. Default: http://127.0.0.1:8000
    #[arg(long, env = "THAW_SERVER", value_name = "URL")]
    pub(crate) server: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

impl Connection {
    /// For what is printed byte for byte as it comes.
    ///
    /// # Errors
    /// When JSON was asked for.
    pub(crate) fn prints_bytes(&self, what: &str) -> Result<()> {
        ensure!(
            !self.json,
            "{what} is printed byte for byte as it comes; leave out --json"
        );
        Ok(())
    }
}

/// Where the daemon keeps everything, and how.
#[derive(Debug, Clone, Args)]
pub(crate) struct Place {
    /// The storage root. Default: /var/lib/thaw; without root ~/.local/share/thaw
    #[arg(long, env = "THAW_STORAGE", value_name = "FOLDER")]
    pub(crate) storage: Option<PathBuf>,
    /// How guest code runs.
    #[arg(long, value_enum, default_value_t, env = "THAW_ACCEL")]
    pub(crate) accel: Accel,
    /// How clones get their template's memory.
    #[arg(
        id = "memory_mode",
        long = "memory-mode",
        value_enum,
        default_value_t,
        env = "THAW_MEMORY"
    )]
    pub(crate) memory: Memory,
    /// How new templates are written to the disk.
    #[arg(long, value_enum, default_value_t, env = "THAW_TEMPLATE_FORMAT")]
    pub(crate) template_format: TemplateFormat,
}

/// What a daemon stands on.
#[derive(Debug, Clone, Args)]
pub(crate) struct Storage {
    #[command(flatten)]
    pub(crate) place: Place,
    /// The guests' kernel (a bzImage). Default: what `thaw init --kernel` took, else the newest in /boot
    #[arg(long, env = "THAW_KERNEL", value_name = "FILE")]
    pub(crate) kernel: Option<PathBuf>,
}

/// How guest code runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Accel {
    /// KVM where a trial guest runs under it, else software emulation.
    #[default]
    Auto,
    /// Hardware virtualisation.
    Kvm,
    /// Software emulation: for development and trusted code.
    Tcg,
}

/// How clones get their template's memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Memory {
    /// userfaultfd where it is permitted, else file mappings.
    #[default]
    Auto,
    /// Filled on demand by userfaultfd, and shared.
    Uffd,
    /// Private mappings of the template's file.
    File,
}

/// How new templates are written to the disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum TemplateFormat {
    /// Sparse: quickest to restore from.
    #[default]
    Plain,
    /// Compressed: about a third of the disk.
    Zstd,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8000", value_name = "ADDRESS:PORT")]
    pub(crate) listen: SocketAddr,
    /// Listen on an address that other machines can reach although authentication is off.
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Another host name that requests may use (repeatable).
    #[arg(long, value_name = "NAME")]
    pub(crate) allow_host: Vec<String>,
    #[command(flatten)]
    pub(crate) limits: Limits,
    #[command(flatten)]
    pub(crate) storage: Storage,
    /// How log lines look.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) log_format: LogFormat,
}

/// The largest ext4 of blocks of 4 KiB: 16 TiB, in MiB.
const LARGEST_DISK_MIB: u64 = 16 << 20;

/// How much there may be.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Limits {
    /// VMs that stay, stopped ones included.
    #[arg(long, default_value_t = 256, value_name = "COUNT")]
    pub(crate) max_vms: u32,
    /// VMs of one API key. Default: as many as there may be at all
    #[arg(long, value_name = "COUNT")]
    pub(crate) max_vms_per_key: Option<u32>,
    /// The largest disk that a VM may be made with, in MiB; the host's disk holds what is written.
    #[arg(long, default_value_t = 65536, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=LARGEST_DISK_MIB))]
    pub(crate) max_disk: u64,
    /// Snapshots.
    #[arg(long, default_value_t = 1024, value_name = "COUNT")]
    pub(crate) max_snapshots: u32,
    /// Snapshots of one API key. Default: as many as there may be at all
    #[arg(long, value_name = "COUNT")]
    pub(crate) max_snapshots_per_key: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Take the guests' kernel (a bzImage) from a path, file:// or URL into the storage root. Its modules must be
    /// installed in /lib/modules. Without it the newest in /boot is used
    #[arg(long = "kernel", value_name = "SOURCE")]
    pub(crate) kernel_source: Option<Origin>,
    /// What the kernel must hash to.
    #[arg(long, value_name = "HEX", requires = "kernel_source")]
    pub(crate) kernel_sha256: Option<Sha256Hex>,
    /// Make an image of a root file system (a tar or an ext4) from a path, file:// or URL. Without it `python` is made.
    #[arg(long, value_name = "SOURCE")]
    pub(crate) rootfs: Option<Origin>,
    /// What the root file system must hash to.
    #[arg(long, value_name = "HEX", requires = "rootfs")]
    pub(crate) rootfs_sha256: Option<Sha256Hex>,
    /// The name of the image of --rootfs. Default: rootfs
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Leave the kernel as it is.
    #[arg(long, conflicts_with = "kernel_source")]
    pub(crate) skip_kernel: bool,
    /// Make no image and no template.
    #[arg(long, conflicts_with = "rootfs")]
    pub(crate) skip_rootfs: bool,
    /// Replace the kernel that is there (with --kernel) and the image, whose templates are baked anew.
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) place: Place,
    /// Print JSON, once all is done.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) storage: Storage,
    /// Run a program, a code run and an image check from end to end as well.
    #[arg(long)]
    pub(crate) smoke: bool,
    /// Whom the smoke test asks when a daemon serves the storage root already.
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The image: Thaw's own, else the Docker daemon's, else the registry's.
    pub(crate) image: String,
    /// The program and its arguments, behind the image's ENTRYPOINT; without them its CMD.
    #[arg(last = true)]
    pub(crate) argv: Vec<String>,
    /// Run source code instead: a language, and the code ('-' reads it from standard input).
    #[arg(long, num_args = 2, value_names = ["LANGUAGE", "CODE"], conflicts_with = "argv")]
    pub(crate) code: Option<Vec<String>>,
    /// The VM's memory in MiB.
    #[arg(long, value_name = "MIB")]
    pub(crate) memory: Option<u32>,
    /// The VM's CPUs.
    #[arg(long)]
    pub(crate) vcpus: Option<u8>,
    #[command(flatten)]
    pub(crate) how: How,
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[command(flatten)]
    pub(crate) storage: Storage,
}

#[derive(Debug, Args)]
pub(crate) struct Exec {
    /// The VM's id or name.
    pub(crate) vm: String,
    /// The program and its arguments.
    #[arg(last = true, required = true)]
    pub(crate) argv: Vec<String>,
    #[command(flatten)]
    pub(crate) how: How,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// How a program runs.
#[derive(Debug, Args)]
pub(crate) struct How {
    /// An environment variable (repeatable).
    #[arg(short, long = "env", value_name = "NAME=VALUE")]
    pub(crate) env: Vec<String>,
    /// The working directory.
    #[arg(short, long, value_name = "PATH")]
    pub(crate) workdir: Option<String>,
    /// The user: `name`, `uid`, `name:group` or `uid:gid`.
    #[arg(short, long)]
    pub(crate) user: Option<String>,
    /// Read standard input to its end and hand it to the program.
    #[arg(short, long)]
    pub(crate) interactive: bool,
    /// Keep so many bytes of each output stream. Default: 10 MiB, at most 1 GiB
    #[arg(long, value_name = "BYTES")]
    pub(crate) output_limit: Option<u64>,
    /// Kill the program after so many seconds.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) timeout: Option<f64>,
    /// Tell on standard error where the time went.
    #[arg(long)]
    pub(crate) timings: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Image {
    /// Make an image.
    Add {
        /// docker:NAME, registry:REFERENCE, debian:SUITE+package,package, or a local file as
        /// oci-archive:FILE, docker-archive:FILE, rootfs:FILE (tar or ext4), dockerfile:FILE (or a tar of its context).
        source: String,
        /// The image's name.
        #[arg(long)]
        name: Option<String>,
        /// The registry's user; the password is read from THAW_REGISTRY_PASSWORD.
        #[arg(long)]
        username: Option<String>,
        #[command(flatten)]
        connection: Connection,
    },
    /// List the images.
    Ls {
        #[command(flatten)]
        connection: Connection,
    },
    /// Take a name away, and with its last name the image.
    Rm {
        /// A name or digest.
        name: String,
        #[command(flatten)]
        connection: Connection,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Template {
    /// List the templates.
    Ls {
        #[command(flatten)]
        connection: Connection,
    },
    /// Show everything about one.
    Inspect {
        /// Its id.
        id: String,
        #[command(flatten)]
        connection: Connection,
    },
    /// Remove one that nothing uses.
    Rm {
        /// Its id.
        id: String,
        #[command(flatten)]
        connection: Connection,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Pool {
    /// List the pools.
    Ls {
        #[command(flatten)]
        connection: Connection,
    },
    /// Set a pool's bounds; the pool and its template are made where they are missing.
    Set {
        /// The image.
        image: String,
        /// Parked clones that are kept whatever the demand.
        #[arg(long)]
        min: u32,
        /// Parked clones at most.
        #[arg(long)]
        max: u32,
        /// After so many seconds without a request the pool shrinks to --min.
        #[arg(long, default_value_t = 300, value_name = "SECONDS")]
        idle: u64,
        /// The VMs' memory in MiB.
        #[arg(long, value_name = "MIB")]
        memory: Option<u32>,
        /// The VMs' CPUs.
        #[arg(long)]
        vcpus: Option<u8>,
        #[command(flatten)]
        connection: Connection,
    },
}
