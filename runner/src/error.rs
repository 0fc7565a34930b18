//! What a runner refuses.

use thaw_pool_manager::{ExecError, LeaseError};
use thiserror::Error;

/// A program that did not start.
#[derive(Debug, Error)]
pub enum RunError {
    /// There was no clone for it.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// The clone did not start it.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// Too much runs already.
    #[error("{limit} programs run or wait already, which is the limit")]
    TooMany {
        /// The limit.
        limit: u32,
    },
}

/// A VM that could not be made, found or used.
#[derive(Debug, Error)]
pub enum VmError {
    /// No VM has this id or name.
    #[error("there is no VM {0:?}")]
    NotFound(String),
    /// Another VM has this name.
    #[error("there is a VM with the name {0:?} already")]
    NameTaken(String),
    /// Too many VMs, or too many programs in them.
    #[error("the limit of {limit} {what} is reached")]
    TooMany {
        /// `VMs` or `programs`.
        what: &'static str,
        /// The limit.
        limit: u32,
    },
    /// There was no clone for it.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// It did not start the program.
    #[error(transparent)]
    Exec(#[from] ExecError),
}
