//! VMs that stay: their lifecycle.
//!
//! ```text
//! create / restore / fork ──► running ◄─pause, resume─► paused (by request)
//!                              │  ▲ ▲
//!                              │  │ └─idle, next request─► paused (by idleness)
//!                     stop, or │  │ start
//!         the VM ended by itself  │
//!                              ▼  │
//!                            stopped          any state ──delete, or its time is over──► gone
//! ```
//!
//! Each VM has a *turn*: who holds it may change the VM and is the only writer of its row. Changes of one VM
//! therefore wait for each other; what programs in it do waits for none of them. Changes go on when whoever
//! asked for them has left. A change is done on the node first, then in the row, then told; so a daemon that
//! is killed in between finds the truth on the node when it starts again.

mod change;
mod console;
mod create;
mod enter;
mod find;
mod follow;
mod fork;
mod info;
mod mind;
mod state;
mod usage;
mod vm;

pub use change::VmChange;
pub use create::{CreateVm, NewFile, VmSource};
pub use enter::VmPass;
pub(crate) use find::page;
pub use find::{BadCursor, Cursor, Page, VmFilter, VmStateKind};
pub use fork::{ForkVm, ForkedVms};
pub use info::{PausedBy, VmInfo, VmStatus};
pub use usage::VmUsage;
pub(crate) use vm::{Turn, Vm};
