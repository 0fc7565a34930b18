//! What a runner can ask of a node. Everything that crosses is a value that could be serialised, a
//! byte stream or a relative deadline, so that a node can later be remote.

use std::{fmt, path::PathBuf, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use thaw_image::{ImageConfig, ProgressSink, RegistryAuth};
use thaw_lazymem::ChoiceCause;
use thaw_vmm::{
    Shape,
    protocol::{Control, Exit, Language, PtySize},
};
use tokio::sync::mpsc;

use crate::{
    GuestStream, InsideRequest, NodeFunctions, NodeSnapshots, NodeVms, RestoreFaults, SnapshotId,
    TemplateFormat,
    error::{AdminError, ExecError, LeaseError},
};

/// A machine that runs VMs.
#[async_trait]
pub trait Node: NodeFunctions + NodeSnapshots + NodeVms {
    /// Hands out a clone that nobody else has had. It is released by [`Node::release`] and by nothing else.
    ///
    /// # Cancel safety
    /// Dropped before it returns, no clone stays leased.
    async fn lease(&self, request: LeaseRequest) -> Result<Lease, LeaseError>;

    /// Runs something in a leased clone. The first run of a lease wakes the clone.
    ///
    /// Dropping the handle ends what runs.
    async fn exec(&self, lease: &LeaseId, request: ExecRequest) -> Result<ExecHandle, ExecError>;

    /// Does something inside a leased clone besides running a program. The first request of a lease wakes the clone.
    ///
    /// Dropping the stream ends the operation.
    async fn inside(
        &self,
        lease: &LeaseId,
        request: InsideRequest,
    ) -> Result<GuestStream, ExecError>;

    /// Gives a lease back; its VM is gone within a second. Unknown ids are ignored. Returns at once.
    fn release(&self, lease: &LeaseId);

    /// Every image.
    async fn images(&self) -> Vec<ImageInfo>;

    /// Makes an image.
    async fn add_image(
        &self,
        request: AddImage,
        progress: &ProgressSink,
    ) -> Result<ImageInfo, AdminError>;

    /// Takes an image's name away, and with its last name the image.
    async fn remove_image(&self, name_or_digest: &str) -> Result<(), AdminError>;

    /// Every template.
    async fn templates(&self) -> Vec<TemplateInfo>;

    /// Makes sure that there is a template, baking it (and making the image) where it is missing.
    async fn ensure_template(
        &self,
        selector: &TemplateSelector,
        progress: &ProgressSink,
    ) -> Result<TemplateInfo, LeaseError>;

    /// Removes a template that nothing uses.
    async fn remove_template(&self, template: &TemplateId) -> Result<(), AdminError>;

    /// Every pool.
    async fn pools(&self) -> Vec<PoolInfo>;

    /// Sets a pool's bounds; the pool is made where it is missing, as is its template.
    async fn set_pool(
        &self,
        selector: &TemplateSelector,
        settings: PoolSettings,
    ) -> Result<PoolInfo, AdminError>;

    /// What the node is and does right now, for metrics and `doctor`.
    async fn figures(&self) -> NodeFigures;

    /// Ends every clone and shell and returns when their processes are gone. VMs that stay are let go and
    /// run on; from now on nothing is released.
    async fn shut_down(&self);
}

/// The id of a template: 16 hex digits made of its key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TemplateId(pub(crate) String);

impl TemplateId {
    /// Takes any text as an id; one that no template has finds none.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TemplateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id of a lease, which is also the id of the VM it is a right to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LeaseId(pub(crate) String);

impl LeaseId {
    /// Takes any text as an id; one that no VM has finds none.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which template is meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TemplateSelector {
    /// That of an image and a machine size, made where it is missing.
    Image {
        /// A name or digest; a bare name is first Thaw's own image, then the Docker daemon's, then the registry's.
        image: String,
        /// The machine's size.
        shape: Shape,
    },
    /// One that is there.
    Template(TemplateId),
    /// That of a snapshot, with what the VM had written when it was taken.
    Snapshot(SnapshotId),
}

/// A wish for a clone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LeaseRequest {
    /// The template.
    pub template: TemplateSelector,
    /// How long the caller waits for a clone, a bake included.
    pub start_within: Duration,
}

/// The right to one clone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Lease {
    /// Its id, and the VM's.
    pub id: LeaseId,
    /// The template that it was restored from.
    pub template: TemplateId,
    /// The image's digest.
    pub image: String,
    /// The machine's size.
    pub shape: Shape,
    /// The size of its own disk, which takes what is written.
    pub disk_bytes: u64,
    /// What the image says of how to run it.
    pub config: ImageConfig,
    /// How the clone came to be.
    pub start: StartKind,
    /// Waiting for a place or a clone.
    pub queue: Duration,
    /// Restoring, where it was done for this lease; a cold start's bake or boot too.
    pub restore: Duration,
}

/// How a leased clone came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartKind {
    /// It was restored and proven before.
    Parked,
    /// It was restored for this lease.
    Restored,
    /// Its template was baked for this lease.
    Cold,
    /// It has served the same owner before.
    Reused,
}

/// What to run, and how. What is absent comes from the image.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExecRequest {
    /// What to run.
    pub program: ExecProgram,
    /// Added to the image's environment; a later entry wins.
    pub env: Vec<(String, String)>,
    /// The working directory; the image's when absent, else `/`.
    pub cwd: Option<String>,
    /// The user; the image's when absent, else root.
    pub user: Option<String>,
    /// Whether standard input follows.
    pub stdin: bool,
    /// After this time the process group is killed; no limit when absent.
    pub timeout: Option<Duration>,
    /// The most that is sent of each output stream.
    pub output_limit_bytes: u64,
    /// Run on a terminal.
    pub pty: Option<PtySize>,
}

/// What an exec runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecProgram {
    /// A program and its arguments; not empty.
    Argv(Vec<String>),
    /// A command line for `/bin/sh -c`.
    Shell(String),
    /// The image's ENTRYPOINT with these arguments, or with its CMD when there are none.
    Image(Vec<String>),
    /// Source code for a resident interpreter.
    Code {
        /// The language.
        language: Language,
        /// The source.
        code: String,
        /// Leave the interpreter as it was, for a VM that lives on.
        keep_interpreter: bool,
    },
}

/// A running program. Dropping it ends the program.
#[derive(Debug)]
pub struct ExecHandle {
    /// What goes in: at most 16 pieces wait, then the sender does. Dropping it is not the end of standard input.
    pub input: mpsc::Sender<ExecInput>,
    /// What comes out: at most 16 pieces wait, then the guest's program does. The last is `Exit` or an error.
    pub output: mpsc::Receiver<Result<ExecEvent, ExecError>>,
}

/// What goes into a running program.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum ExecInput {
    /// Bytes for standard input.
    Stdin(Bytes),
    /// No more standard input.
    StdinEnd,
    /// A signal or a terminal size.
    Control(Control),
}

/// What comes out of a running program.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum ExecEvent {
    /// Standard output.
    Stdout(Bytes),
    /// Standard error.
    Stderr(Bytes),
    /// The end.
    Exit {
        /// What the guest says.
        exit: Exit,
        /// Where the time went on the node.
        timings: ExecTimings,
    },
}

/// Where the time of an exec went on the node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecTimings {
    /// Letting the clone's CPUs run; 0 when they ran.
    pub resume: Duration,
    /// Opening the stream and handing the request over.
    pub connect: Duration,
    /// From then on to the end of the program.
    pub exec: Duration,
}

/// An image to make.
#[derive(Debug, Clone)]
pub struct AddImage {
    /// Where from: the text form of a source, such as `docker:alpine` or `debian:bookworm+python3`, for
    /// sources without an upload; with an upload only its kind: `oci-archive`, `docker-archive`, `rootfs`, `dockerfile`.
    pub source: String,
    /// A file that was uploaded; it is read, never moved.
    pub upload: Option<PathBuf>,
    /// The image's name; a name is made of the source when absent.
    pub name: Option<String>,
    /// For registries that want it.
    pub auth: Option<RegistryAuth>,
}

/// An image.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ImageInfo {
    /// `sha256:…`.
    pub digest: String,
    /// Its names.
    pub names: Vec<String>,
    /// `squashfs` or `ext4`.
    pub fs: String,
    /// The root file system's size.
    pub size_bytes: u64,
    /// Seconds since 1970-01-01 UTC.
    pub created_at: u64,
    /// Where it came from.
    pub source: String,
    /// What the image says of how to run it.
    pub config: ImageConfig,
}

/// A template.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TemplateInfo {
    /// Its id.
    pub id: TemplateId,
    /// The image's digest.
    pub image: String,
    /// The image's names.
    pub image_names: Vec<String>,
    /// The machine's size.
    pub shape: Shape,
    /// The VMM that it fits, such as `qemu 7.2.22 (tcg)`.
    pub engine: String,
    /// The guest kernel's release.
    pub kernel: String,
    /// The agent's version.
    pub agent: String,
    /// Languages with a resident interpreter.
    pub languages: Vec<Language>,
    /// What it takes on disk.
    pub disk_bytes: u64,
    /// What of its memory is kept in the host's memory now; the page cache doesn't count.
    pub resident_bytes: u64,
    /// How its memory is written on disk.
    pub memory_format: TemplateFormat,
    /// Pages that its restores are known to touch; none when they were not recorded.
    pub working_set_pages: Option<u64>,
    /// What the last restores that were served cost, the newest last; known of templates in use.
    pub last_restores: Vec<RestoreFaults>,
    /// Seconds since 1970-01-01 UTC.
    pub created_at: u64,
    /// How long its bake took.
    pub bake: Duration,
    /// How long its boot took, to the agent's first answer; 0 where it was not written down.
    pub boot: Duration,
    /// Whether a function was loaded before it was frozen.
    pub is_function: bool,
    /// Clones and shells that use it now.
    pub in_use: u32,
}

/// The bounds of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolSettings {
    /// Parked clones that are kept whatever the demand.
    pub min: u32,
    /// Parked clones at most.
    pub max: u32,
    /// After this long without a lease the pool shrinks to `min`.
    pub idle: Duration,
}

/// A pool.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PoolInfo {
    /// Its template.
    pub template: TemplateId,
    /// Its bounds.
    pub settings: PoolSettings,
    /// Parked clones that are wanted now.
    pub target: u32,
    /// Shells that wait.
    pub shells: u32,
    /// Clones that are being restored or proven.
    pub starting: u32,
    /// Parked clones.
    pub parked: u32,
    /// Leased clones.
    pub leased: u32,
    /// Callers that wait.
    pub waiting: u32,
    /// When restores fail: how many in a row, and the last error.
    pub failures: u32,
    /// The last error of a start.
    pub last_error: Option<String>,
}

/// What a node is and does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NodeFigures {
    /// The VMM, such as `qemu 7.2.22 (tcg)`.
    pub engine: String,
    /// Why that one.
    pub engine_reason: String,
    /// How template memory reaches clones, and why.
    pub memory_mode: String,
    /// Why, as one of a few values.
    pub memory_cause: ChoiceCause,
    /// Why.
    pub memory_reason: String,
    /// Page servers that were lost and replaced.
    pub page_server_restarts: u64,
    /// Restores that succeeded.
    pub restores: u64,
    /// Restores that failed.
    pub restore_failures: u64,
    /// Restores of snapshots and forks that succeeded, into a shell that waited.
    pub copies_into_waiting: u64,
    /// Restores of snapshots and forks that succeeded, into a shell that had to be spawned first.
    pub copies_into_spawned: u64,
    /// Clones whose VMM ended without being asked to.
    pub crashes: u64,
    /// VMM processes now.
    pub vmms: u32,
}
