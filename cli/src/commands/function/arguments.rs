//! The command line of `thaw fn`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use thaw_api_types::{FunctionEventState, FunctionKind};

use crate::arguments::Connection;

#[derive(Debug, Subcommand)]
pub(crate) enum FunctionCommand {
    /// Make a folder with a function to start from.
    Init(Init),
    /// Deploy a function: load its code, initialise it, freeze it.
    Deploy(Box<Deploy>),
    /// List the functions.
    Ls {
        #[command(flatten)]
        connection: Connection,
    },
    /// Show everything about one.
    Inspect {
        /// Its name.
        name: String,
        #[command(flatten)]
        connection: Connection,
    },
    /// Give a function an event and print what it returns.
    Invoke(Invoke),
    /// Show what a function's invocations have said.
    Logs(Logs),
    /// Remove a function, or one of its versions.
    Rm {
        /// Its name.
        name: String,
        /// Only this version.
        #[arg(long)]
        version: Option<u64>,
        #[command(flatten)]
        connection: Connection,
    },
    /// List a function's versions, oldest first.
    Versions {
        /// The function.
        name: String,
        #[command(flatten)]
        connection: Connection,
    },
    /// Lead aliases to versions, and back.
    #[command(subcommand)]
    Alias(Alias),
    /// Look at events that were queued with `invoke --async`, and try them again.
    #[command(subcommand)]
    Event(Event),
}

/// How a function is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// `module.function(event, context)` in python.
    Python,
    /// `exports.function(event, context)` in node.
    Node,
    /// A program for each event.
    Command,
    /// A program that speaks AWS Lambda's Runtime API.
    Lambda,
    /// A server on a port.
    Http,
}

impl From<Kind> for FunctionKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Python => Self::Python,
            Kind::Node => Self::Node,
            Kind::Command => Self::Command,
            Kind::Lambda => Self::Lambda,
            Kind::Http => Self::Http,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// How the function is run.
    #[arg(value_enum)]
    pub(crate) kind: Kind,
    /// The folder; made, and must be empty. Default: the kind's name
    pub(crate) folder: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Deploy {
    /// The function's name; one that is there gets another version.
    pub(crate) name: String,
    /// The image that it runs in.
    #[arg(long)]
    pub(crate) image: String,
    /// `module.function`, for python and node; what the runtime runs, for lambda.
    #[arg(long)]
    pub(crate) handler: Option<String>,
    /// The code: a folder, zip, tar or tar.gz. Default: this folder; for lambda without a program, what is in the
    /// image
    #[arg(long, value_name = "PATH")]
    pub(crate) code: Option<PathBuf>,
    /// How it is run. Default: found out from the handler's file, in an archive too, or by --port
    #[arg(long, value_enum)]
    pub(crate) kind: Option<Kind>,
    /// The port that a server listens on; makes it kind http.
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// An environment variable (repeatable).
    #[arg(short, long = "env", value_name = "NAME=VALUE")]
    pub(crate) env: Vec<String>,
    /// The VM's memory in MiB.
    #[arg(long, value_name = "MIB")]
    pub(crate) memory: Option<u32>,
    /// The VM's CPUs.
    #[arg(long)]
    pub(crate) vcpus: Option<u8>,
    /// How long one event may take, in seconds.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) timeout: Option<f64>,
    /// How long the initialisation may take, in seconds.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) init_timeout: Option<f64>,
    /// Events that are served at once.
    #[arg(long)]
    pub(crate) concurrency: Option<u32>,
    /// Events that wait for a place.
    #[arg(long)]
    pub(crate) queue: Option<u32>,
    /// Parked clones that are kept whatever the demand; 0 lets the function go cold.
    #[arg(long)]
    pub(crate) min_warm: Option<u32>,
    /// Parked clones at most.
    #[arg(long)]
    pub(crate) max_warm: Option<u32>,
    /// After so many seconds without an event only --min-warm clones are kept.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) idle: Option<f64>,
    /// How many events one clone may serve. Default: 1, a fresh VM for each
    #[arg(long)]
    pub(crate) reuse: Option<u32>,
    /// A path of a server that is sent a POST before the freeze.
    #[arg(long, value_name = "PATH")]
    pub(crate) before_snapshot: Option<String>,
    /// A path of a server that is sent a POST in each clone, before its first request.
    #[arg(long, value_name = "PATH")]
    pub(crate) after_restore: Option<String>,
    /// Ask for a network. (There are none yet: its VMs are made without one, with a warning.)
    #[arg(long)]
    pub(crate) network: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// The program and its arguments, for commands, servers and lambda; by default lambda runs the image's entrypoint.
    #[arg(last = true)]
    pub(crate) command: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Invoke {
    /// The function.
    pub(crate) name: String,
    /// The event; without it standard input is read to its end.
    #[arg(short, long, conflicts_with = "file")]
    pub(crate) data: Option<String>,
    /// A file with the event.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// The event's media type.
    #[arg(long, default_value = "application/json", value_name = "TYPE")]
    pub(crate) content_type: String,
    /// A version's number or an alias. Default: the newest version
    #[arg(long)]
    pub(crate) qualifier: Option<String>,
    /// Queue the event, print its id and be done: it is served later, at least once. See `thaw fn event`.
    #[arg(long = "async", conflicts_with_all = ["log", "timings"])]
    pub(crate) queue: bool,
    /// Show the invocation's log on standard error.
    #[arg(long)]
    pub(crate) log: bool,
    /// Tell on standard error where the time went.
    #[arg(long)]
    pub(crate) timings: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// The function.
    pub(crate) name: String,
    /// Go on with those that come.
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Only those of invocations that went wrong.
    #[arg(long)]
    pub(crate) errors: bool,
    /// Only that of this invocation.
    #[arg(long, value_name = "ID")]
    pub(crate) request_id: Option<String>,
    /// The newest so many.
    #[arg(short = 'n', long, default_value_t = 20)]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Alias {
    /// Make an alias, or lead one elsewhere.
    Set {
        /// The function.
        name: String,
        /// The alias.
        alias: String,
        /// VERSION, or several as VERSION=WEIGHT.
        #[arg(required = true, value_name = "VERSION[=WEIGHT]")]
        versions: Vec<String>,
        #[command(flatten)]
        connection: Connection,
    },
    /// Lead an alias where it led before.
    Rollback {
        /// The function.
        name: String,
        /// The alias.
        alias: String,
        #[command(flatten)]
        connection: Connection,
    },
    /// Remove an alias.
    Rm {
        /// The function.
        name: String,
        /// The alias.
        alias: String,
        #[command(flatten)]
        connection: Connection,
    },
}

/// Where an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EventState {
    /// It is to be served, or is being served.
    Queued,
    /// The function returned.
    Done,
    /// It was given up.
    Dead,
}

impl From<EventState> for FunctionEventState {
    fn from(state: EventState) -> Self {
        match state {
            EventState::Queued => Self::Queued,
            EventState::Done => Self::Done,
            EventState::Dead => Self::Dead,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Event {
    /// List a function's queued events, newest first.
    Ls {
        /// The function.
        name: String,
        /// Which of them.
        #[arg(long, value_enum, default_value_t = EventState::Dead)]
        state: EventState,
        /// The newest so many, at most 1,000.
        #[arg(short = 'n', long, default_value_t = 100)]
        limit: u32,
        #[command(flatten)]
        connection: Connection,
    },
    /// Show everything about one, what it holds and what came of it included.
    Inspect {
        /// The function.
        name: String,
        /// The event's id.
        id: String,
        #[command(flatten)]
        connection: Connection,
    },
    /// Queue one again that was given up.
    Retry {
        /// The function.
        name: String,
        /// The event's id.
        id: String,
        #[command(flatten)]
        connection: Connection,
    },
    /// Forget one.
    Rm {
        /// The function.
        name: String,
        /// The event's id.
        id: String,
        #[command(flatten)]
        connection: Connection,
    },
}
