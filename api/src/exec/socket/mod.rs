//! Programs over WebSockets: terminals, and execs with standard input and signals.
//!
//! ```text
//! client                                server
//!   (exec only) text ExecSocketStart ►           what to run
//!   binary: standard input           ►
//!   text SocketControl               ►           resize, signal, stdin_end
//!                                    ◄  binary   output (of execs with a byte in front that says which)
//!                                    ◄  text     SocketEnd: exit or error, then the close
//! ```
//!
//! A client that closes or is no longer there ends its program.

mod client;
mod exec;
mod inward;
mod serve;
mod terminal;

pub(crate) use client::{Sink, Stream, next_event, part, pings};
pub(crate) use exec::{__path_exec_socket, exec_socket};
pub(crate) use inward::inward;
pub(crate) use terminal::{__path_terminal, terminal};
