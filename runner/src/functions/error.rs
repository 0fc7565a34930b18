//! What functions refuse.

use std::{sync::Arc, time::Duration};

use thaw_pool_manager::{AdminError, BakeError, ExecError, LeaseError};
use thiserror::Error;

use super::{BadName, CodeError};
use crate::StoreError;

/// A function, version or alias that can't be found or changed.
#[derive(Debug, Error)]
pub enum FunctionError {
    /// No such function.
    #[error("there is no function {0:?}")]
    NotFound(String),
    /// No such version or alias.
    #[error("function {function:?} has no version or alias {qualifier:?}")]
    NoVersion {
        /// The function.
        function: String,
        /// What was asked for.
        qualifier: String,
    },
    /// No such event.
    #[error("there is no event {0:?}")]
    NoEvent(String),
    /// A name that is none.
    #[error(transparent)]
    Name(#[from] BadName),
    /// Routes of an alias that make no sense.
    #[error("{0}")]
    BadRoutes(String),
    /// An alias has never led elsewhere.
    #[error("alias {0:?} has led nowhere else, so there is nothing to roll back to")]
    NoPrevious(String),
    /// A version that an alias leads to, or the newest one.
    #[error("version {version} of function {function:?} is in use: {by}")]
    InUse {
        /// The function.
        function: String,
        /// The version.
        version: u64,
        /// By what.
        by: String,
    },
    /// The database refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A function that was not deployed. Nothing has changed.
#[derive(Debug, Error)]
pub enum DeployError {
    /// The settings make no sense.
    #[error("{}", .0.join("; "))]
    Bad(Vec<String>),
    /// Its code is refused.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// Its initialisation failed.
    #[error("the function could not be initialised: {reason}")]
    Init {
        /// How it failed.
        reason: String,
        /// What it said itself.
        output: String,
    },
    /// Its template could not be made.
    #[error(transparent)]
    Lease(LeaseError),
    /// Its pool could not be set up.
    #[error(transparent)]
    Pool(#[from] AdminError),
    /// There are too many.
    #[error("the limit of {limit} {what} is reached")]
    TooMany {
        /// `functions` or `versions of a function`.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The database refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The daemon shuts down.
    #[error("the daemon is shutting down")]
    ShuttingDown,
}

impl From<LeaseError> for DeployError {
    fn from(error: LeaseError) -> Self {
        match &error {
            LeaseError::Bake(bake) => match &**bake {
                BakeError::Function { reason, output } => Self::Init {
                    reason: reason.clone(),
                    output: output.clone(),
                },
                _ => Self::Lease(error),
            },
            _ => Self::Lease(error),
        }
    }
}

/// An event that was not given to a function, or whose answer was lost. What a function itself did wrong
/// is no error but an [`Outcome`](thaw_pool_manager::vmm::protocol::Outcome).
#[derive(Debug, Error)]
pub enum InvokeError {
    /// No such function, version or alias.
    #[error(transparent)]
    Function(#[from] FunctionError),
    /// The event is larger than it may be.
    #[error("the event has more than {limit} bytes")]
    EventTooLarge {
        /// The limit.
        limit: usize,
    },
    /// Too many events run and wait.
    #[error("{what}")]
    Full {
        /// Which bound was reached.
        what: String,
        /// When it is worth another try.
        retry_after: Duration,
    },
    /// No place was free in time.
    #[error("no place was free for the event within {0:?}")]
    TimedOut(Duration),
    /// There was no clone for it.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// The template had to be baked again, and that failed.
    #[error("the function's template is gone and could not be made again")]
    Rebake(#[source] Arc<DeployError>),
    /// The clone did not take it, or was lost.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// Another event of the function has the id.
    #[error("the function has another event with the id {0:?}")]
    IdTaken(String),
    /// The kind of function does not take such requests.
    #[error("{0}")]
    WrongKind(&'static str),
}
