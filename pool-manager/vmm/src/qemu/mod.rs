//! The QEMU engine: Debian's stock QEMU 7.2 or newer, machine `microvm`.
//!
//! ```text
//! boot:   spawn(-kernel, own memory) ──agent answers──► Machine
//!         Machine: close agent connection ─► wait until the guest has noticed ─► stop ─► migrate to a pipe ─► Frozen
//! shell:  spawn(-incoming defer, template memory) ──QMP: capabilities, migrate-incoming fd──► Shell
//!         Shell: device state into the pipe ──MIGRATION completed──► Machine (paused)
//! adopt:  a process that is found by its mark ──QMP, console, agent: connected to anew──► Machine, as it was
//! any:    process ends ─► EndWatch; dropped ─► SIGKILL, reaped by its own task
//! ```

mod accelerator;
mod adopt;
mod argv;
mod engine;
mod launch;
mod machine;
mod memory;
mod qmp;
mod shell;
mod tsc;

pub use accelerator::{Accelerator, AcceleratorChoice, choose_accelerator};
pub use engine::{Qemu, QemuConfig, QemuError};
