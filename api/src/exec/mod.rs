//! Running programs: `POST /v1/exec` and `POST /v1/vms/{id}/exec`.
//!
//! ```text
//! request ──check──► Call ──start (lease, first frame)──► Run ──► Answer::Json: collected, then answered
//!                                                          └────► events: each piece as it comes
//! ```
//! A [`Run`](run::Run) owns the lease. It lives in the handler's future or in the answer's body, and both are
//! dropped when the caller hangs up: the VM is released at once.

mod account;
mod answer;
mod collect;
mod events;
mod finish;
mod request;
mod route;
mod run;
mod socket;
mod text;

pub(crate) use account::Outcome;
pub(crate) use request::checked;
pub(crate) use route::{__path_exec, exec, run_and_answer};
pub(crate) use socket::{
    __path_exec_socket, __path_terminal, Sink, Stream, exec_socket, inward, next_event, part,
    pings, terminal,
};
pub(crate) use text::{Text, text};
