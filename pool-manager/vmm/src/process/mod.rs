//! One VMM process and the one task that owns it.
//!
//! ```text
//! spawned ─► Process::own ────┐                              ┌─ ends by itself, or is killed ─► EndWatch; uid and folder are free
//! found ───► Process::adopt ──┴─► a task reads, hears, waits ─┤
//!                                                            └─ outlives us: dropped ─► let go; it runs on, for another daemon
//! ```

mod output;
mod own;
mod run_folder;
mod running;

pub(crate) use output::{ErrorPipe, Output};
pub(crate) use own::{Holdings, Process};
pub(crate) use run_folder::RunFolder;
pub(crate) use running::Running;
