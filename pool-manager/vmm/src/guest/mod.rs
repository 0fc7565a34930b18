//! The way to the agent of one guest: one multiplexed connection, one logical stream for each operation.

mod connection;
mod error;
mod invocation;
mod run;
mod stream;
mod take_over;
pub(crate) mod vsock;

pub use connection::GuestConnection;
pub use error::GuestError;
pub use invocation::InvocationOutput;
pub use run::{Output, RunInput, RunOutput};
pub use stream::Piece;
pub(crate) use take_over::TakeOver;
