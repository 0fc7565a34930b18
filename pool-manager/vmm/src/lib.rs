//! One microVM, one life: engines, jail, guest connection.
//!
//! A VMM goes through these phases, and each is a type of its own:
//!
//! ```text
//! BootSpec ──boot──► Machine ──freeze──► Frozen (device state + memory; the machine can only be killed)
//! ShellSpec ─spawn─► Shell ──restore──► Machine (paused) ──resume/pause──► … ──kill──► VmmEnd
//!                      │ ▲                 └──capture──► MachineSnapshot (the machine goes on)
//!                      │ └────restore_snapshot────────────────┘
//!                      └───── the process ends ─────► EndWatch says how, with its last words
//! AdoptSpec ─adopt──► Machine, as an earlier daemon left it
//! ```
//!
//! Every value that stands for a process owns it: dropping a [`Shell`] or a [`Machine`] kills and
//! reaps the process in a tracked task, and [`Engine::settled`] waits for those. A machine that is told to
//! [outlive](Machine::outlive) its daemon is let go instead, and [`Engine::adopt`] takes it up again. Only this crate knows
//! QEMU, its control protocol, uids of VMMs and the guest's transport.

mod console;
mod disk;
mod disk_moment;
mod end;
mod engine;
mod error;
#[cfg(feature = "fake")]
mod fake;
mod guest;
mod initramfs;
mod jail;
mod kernel;
mod mark;
mod memory_figures;
mod orphans;
mod process;
mod qemu;
mod ring;
mod spec;
mod sys;
mod tools;

pub use console::{Console, ConsolePart};
pub use disk::{DiskError, ScratchDisk, copy_extents};
pub use disk_moment::DiskMoment;
pub use end::{EndKind, EndWatch, VmmEnd};
pub use engine::{Adopted, Engine, EngineIdentity, Machine, Shell};
pub use error::{AdoptError, CaptureError, ControlError, RestoreError, StartError};
#[cfg(feature = "fake")]
pub use fake::{FakeEngine, FakeFaults};
pub use guest::{
    GuestConnection, GuestError, InvocationOutput, Output, Piece, RunInput, RunOutput,
};
pub use jail::{Jail, UidRange};
pub use kernel::{GuestKernel, KernelError};
pub use mark::ProcessMark;
pub use memory_figures::MemoryFigures;
pub use qemu::{Accelerator, AcceleratorChoice, Qemu, QemuConfig, QemuError, choose_accelerator};
pub use spec::{
    AdoptSpec, BadId, BaseMemory, BootSpec, Frozen, MachineSnapshot, RootDisk, RootFs, Shape,
    ShellMemory, ShellSpec, VmmId,
};
pub use thaw_guest_protocol as protocol;
pub use tools::{MissingTool, check_tools};
