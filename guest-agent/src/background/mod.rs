//! Programs in the background: started by one stream, kept by the agent, looked at by others.
//!
//! ```text
//! Start ─► Program (a task of its own: reads output into rings, hears signals, waits) ─► ended, kept
//!             ├── Inspect, List, Output, Signal: any stream, of any session
//!             └── Remove ─► killed if it runs, forgotten        the oldest that has ended ─► forgotten for a new one
//! ```
//! They belong to no session: a host that leaves, or another daemon, finds them again.

mod output;
mod program;
mod request;
mod ring;
mod table;

pub(crate) use request::background;
pub(crate) use table::Background;
