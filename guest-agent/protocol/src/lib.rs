//! The conversation between the host and the agent inside a guest: bytes in, frames out, no I/O.
//!
//! One multiplexed connection joins the two. The agent listens, the host opens one logical stream for
//! each operation and speaks first:
//!
//! ```text
//! host                                   agent
//!   Opening {wake?, request}  ───────►             the operation, and what a restored clone must put right first
//!   Stdin* StdinEnd?          ───────►
//!   Control*                  ───────►             signals and window sizes of a running program
//!   Data* DataEnd?            ◄──────►             a file, an archive or a connection, either way
//!                             ◄───────   Begun?    what follows, before the first byte of it
//!                             ◄───────   Stdout* Stderr*          an exec's or code run's output
//!                             ◄───────   Exit | Reply | Failed    exactly one, and the last frame
//! ```
//!
//! The wake data travels in the same frame as the first operation, so a parked clone costs no second
//! round trip. Control payloads are JSON, so that fields can be added without breaking the previous
//! version; data payloads are raw bytes. The guest's side is never trusted: every length is checked
//! against [`MAX_FRAME_BYTES`] before a byte is buffered.

mod background;
mod files;
mod frame;
mod function;
mod handover;
mod message;
mod path;
mod secret_bytes;

pub use background::{
    BackgroundExec, BackgroundOperation, ExecEnd, ExecId, OutputPiece, OutputStream, StreamInfo,
};
pub use files::{FileInfo, FileKind, FileOperation};
pub use frame::{Frame, FrameDecoder, FrameError, FrameKind, MAX_FRAME_BYTES, encode, encode_json};
pub use function::{
    CODE_FOLDER, FunctionKind, HOOK_HEADER, HttpHooks, Invoke, Invoked, LoadFunction, Outcome,
    PORT_VARIABLE, ResultHead,
};
pub use handover::{HANDOVER_BYTES, Handover, HandoverScan};
pub use message::{
    AgentInfo, CodeRun, Control, Exec, Exit, ExitStatus, Failure, FailureKind, GuestTimings,
    GuestUsage, Language, Opening, Program, PtySize, Reply, Request, Wake,
};
pub use path::{GuestPath, MAX_PATH_BYTES};
pub use secret_bytes::SecretBytes;

/// The version of this conversation; an agent is baked into its template and states its own in [`AgentInfo`].
///
/// The daemon speaks to agents of this version and of the one before it.
pub const PROTOCOL_VERSION: u16 = 3;

/// The name of the virtio-serial port that carries the connection where there is no vsock.
pub const PORT_NAME: &str = "thaw.agent.0";

/// The vsock port on which the agent listens where there is one.
pub const VSOCK_PORT: u32 = 5252;

/// Data is sent in frames of at most this many bytes, so that no stream holds the connection for long.
pub const DATA_CHUNK_BYTES: usize = 32 * 1024;

/// The kernel command line option that tells the agent how the host reaches it: `thaw.transport=serial|vsock`.
pub const TRANSPORT_OPTION: &str = "thaw.transport";

/// The kernel command line option with the root disk's file system: `thaw.rootfs=squashfs|ext4`.
pub const ROOTFS_OPTION: &str = "thaw.rootfs";

/// The root disk inside the guest: read-only, shared by all clones.
pub const ROOT_DEVICE: &str = "/dev/vda";

/// The scratch disk inside the guest: ext4, takes every write through overlayfs.
pub const SCRATCH_DEVICE: &str = "/dev/vdb";
