//! Every VM of one node: pools, leases, templates, bakes, snapshots.
//!
//! ```text
//! Node::lease ─► Pools ─► image ─► template (loaded, or baked: Baker) ─► Pool ─► FreshClone ─► Leased
//! Node::exec  ─► Leased::start (wake, request, resume) ─► pump ─► ExecHandle
//! Node::release ─► the machine is killed; its room is free when its process is gone
//! NodeVms::keep ─► KeptVms: a row in node.db, a named disk, a VMM that outlives the daemon
//! ```
//!
//! One task owns each pool, a pure state machine decides for it, and every other task is tracked by
//! the node, which [`Node::shut_down`] waits for.

mod bake;
mod blocking;
mod budget;
mod clone;
mod config;
mod counters;
mod error;
mod exec;
mod exec_request;
#[cfg(feature = "fake")]
mod fake;
mod function_bake;
mod grow;
mod images;
mod inside;
mod invoke;
mod kept;
mod lease;
mod local_functions;
mod local_node;
mod memory;
mod node;
mod node_db;
mod node_functions;
mod node_snapshots;
mod node_vms;
mod pause;
mod policy;
mod pool;
mod pools;
mod proof;
mod reserve;
mod run;
mod settings;
mod simulated;
mod single_flight;
mod snapshots;
mod standstill;
mod start_gate;
mod storage;
mod template;
mod trial;
mod wake;

pub use config::{NodeConfig, NodeLimits};
pub use error::{AdminError, BakeError, ExecError, LeaseError};
#[cfg(feature = "fake")]
pub use fake::{FAKE_IMAGE, add_fake_image, ensure_fake_image, fake_limits, fake_node_config};
pub use inside::{GuestStream, InsideRequest, StreamEvent, StreamInput};
pub use local_node::{LocalNode, OpenError};
pub use memory::{MemorySetup, RestoreFaults, TemplateFormat};
pub use node::{
    AddImage, ExecEvent, ExecHandle, ExecInput, ExecProgram, ExecRequest, ExecTimings, ImageInfo,
    Lease, LeaseId, LeaseRequest, Node, NodeFigures, PoolInfo, PoolSettings, StartKind, TemplateId,
    TemplateInfo, TemplateSelector,
};
pub use node_db::NodeDbError;
pub use node_functions::{
    BakeFunction, CodeStream, FunctionSpec, InvokeEvent, InvokeHandle, InvokeRequest,
    NodeFunctions, Shortage,
};
pub use node_snapshots::{
    BadSnapshotId, Fork, NodeSnapshots, SnapshotError, SnapshotId, SnapshotInfo, StoredSnapshot,
};
pub use node_vms::{
    ConsolePiece, ConsoleStream, HostMemory, HostUsage, KeptVm, NodeVms, VmError, VmEvent, VmState,
};
pub use reserve::try_to_reserve_room;
pub use settings::SettingsError;
pub use simulated::{SimulatedCall, SimulatedFigures, SimulatedNode, SimulatedTimes};
pub use storage::{StorageError, StorageLock, make_root};
pub use thaw_image as image;
pub use thaw_lazymem::{
    Abilities, ChoiceCause, MemoryChoice, MemoryConfig, MemoryMode, UffdNotPermitted, probe,
};
pub use thaw_vmm as vmm;
