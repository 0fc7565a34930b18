//! Functions that speak AWS Lambda's Runtime API (version 2018-06-01), on the guest's loopback.
//!
//! ```text
//! started ─┬─ GET invocation/next ─► waits for an event ──┐
//!          ├─ GET restore/next ────► waits for its thaw ──┤   (the host freezes here; the requests stay open)
//!          └─ POST init/error, ends, takes too long ─► the load fails
//!
//! waits for its thaw ─► told ─┬─ GET invocation/next ──► waits for an event
//!                             └─ POST restore/error ───► RestoreFailed
//! waits for an event ─► given it ─┬─ POST invocation/ID/response ─► Returned       later it asks for the next one
//!                                 ├─ the same, streaming ─────────► its pieces, then Returned
//!                                 └─ POST invocation/ID/error ────► Raised
//! ```
//!
//! Requests become [`Call`](call::Call)s in one queue; whoever loads the function or gives it an event takes
//! them from there, so between two events they wait. What comes at the wrong time is refused, as AWS does.
//! The paths, headers and statuses are those of the developer guide's page "Using the Lambda runtime API".

mod api;
mod call;
mod environment;
mod exchange;
mod reply;
mod runtime;

pub(super) use exchange::{Piece, Pieces, Told};
pub(super) use runtime::Runtime;
