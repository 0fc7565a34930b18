//! What goes over Thaw's HTTP interface: requests, responses, error codes, and a typed client (feature `client`).
//!
//! Units are in the names (`timeout_ms`, `memory_mib`, `size_bytes`). Requests refuse fields that they don't
//! know. A request's `problems()` lists everything that is wrong with it at once.

mod auth;
mod background;
pub mod check;
#[cfg(feature = "client")]
pub mod client;
mod error;
mod event;
mod exec;
mod file;
mod function;
mod image;
pub mod limits;
mod node;
mod pool;
mod progress;
mod scope;
mod snapshot;
pub mod socket;
mod stream;
mod template;
mod usage;
mod vm;

pub use auth::{
    AuditEntry, AuditList, AuditQuery, CreateKeyRequest, CreatedKey, IdentityKind, KeyInfo,
    KeyList, LoginRequest, LogoutQuery, Whoami,
};
pub use background::{
    BackgroundExec, BackgroundExecList, BackgroundOutput, MissedOutput, OutputQuery, SignalRequest,
    StreamInfo,
};
pub use error::{ErrorBody, ErrorCode, ErrorDetail};
pub use event::{EventsQuery, LifecycleEvent, LifecycleKind, MissedEvents};
pub use exec::{
    Encoding, ExecExit, ExecRequest, ExecResponse, GuestUs, InstanceChoice, Language, Network,
    StartKind, TimingsUs, VmExecRequest,
};
pub use file::{FileInfo, FileKind, FileListing, MakeDirectoryRequest, MoveFileRequest};
pub use function::{
    DeployFunctionRequest, FunctionAlias, FunctionEvent, FunctionEventList, FunctionEventQuery,
    FunctionEventState, FunctionHooks, FunctionInfo, FunctionKind, FunctionLastError, FunctionList,
    FunctionLog, FunctionLogList, FunctionLogQuery, FunctionVersion, FunctionVersionList,
    InvokeMode, InvokeQuery, PutAliasRequest, QueuedFunctionEvent, invoke_headers,
};
pub use image::{
    AddImageRequest, ImageConfig, ImageInfo, ImageList, RegistryAuth, UploadKind, UploadQuery,
};
pub use node::{Health, Readiness};
pub use pool::{PoolInfo, PoolList, SetPoolRequest};
pub use progress::ProgressEvent;
pub use scope::{Scope, UnknownScope};
pub use snapshot::{
    ChangeSnapshotRequest, SnapshotInfo, SnapshotList, SnapshotListQuery, TakeSnapshotRequest,
};
pub use socket::{ExecSocketStart, SocketControl, SocketEnd, TerminalSize, TunnelMessage};
pub use stream::{ExecEvent, OutputChunk};
pub use template::{EnsureTemplateRequest, RestoreFaults, TemplateInfo, TemplateList};
pub use usage::{GuestUsage, HostMemory, HostUsage, VmUsage};
pub use vm::{
    ChangeVmRequest, CreateVmRequest, ForkVmRequest, ForkVmResponse, PausedBy, VmInfo, VmList,
    VmListQuery, VmLogsQuery, VmState,
};
