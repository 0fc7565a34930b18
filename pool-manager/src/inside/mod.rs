//! What is done inside a leased clone besides running a program: its files, its figures.
//!
//! ```text
//! Node::inside ─► Leased::start (wakes the clone if need be) ─► pump ─► GuestStream
//!    Done ──────────────────► the caller; the VM is fit for the next
//!    Failed ────────────────► refused; the VM is fit for the next
//!    the caller left ───────► the stream is dropped, the agent ends the operation
//!    nonsense, cut, gone ───► the VM is ended
//! ```

mod pump;
mod request;

pub(crate) use pump::pump;
pub use request::{GuestStream, InsideRequest, StreamEvent, StreamInput};
