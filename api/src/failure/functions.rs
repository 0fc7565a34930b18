//! Functions that could not be deployed, found or given an event.

use thaw_api_types::ErrorCode;
use thaw_runner::{
    functions::{CodeError, DeployError, FunctionError, InvokeError},
    node::LeaseError,
};

use super::{admin, exec, lease, lease::is_disk_full};
use crate::error::ApiError;

pub(crate) fn function(error: &FunctionError) -> ApiError {
    let of = |code| ApiError::of(code, error);
    match error {
        FunctionError::NotFound(_) => {
            of(ErrorCode::FunctionNotFound).hint("GET /v1/functions lists what is there")
        }
        FunctionError::NoVersion { .. } => of(ErrorCode::FunctionVersionNotFound)
            .hint("GET /v1/functions/{name}/versions lists what is there"),
        FunctionError::NoEvent(_) => of(ErrorCode::FunctionEventNotFound)
            .hint("GET /v1/functions/{name}/events lists what is there"),
        FunctionError::Name(_) | FunctionError::BadRoutes(_) => of(ErrorCode::InvalidRequest),
        FunctionError::NoPrevious(_) => of(ErrorCode::FunctionNoPrevious),
        FunctionError::InUse { .. } => of(ErrorCode::FunctionVersionInUse)
            .hint("lead the alias elsewhere, or deploy a newer version first"),
        FunctionError::Store(_) if is_disk_full(error) => {
            of(ErrorCode::DiskFull).hint("free space under the storage root")
        }
        FunctionError::Store(_) => of(ErrorCode::Internal),
    }
}

pub(crate) fn deploy(error: &DeployError) -> ApiError {
    let of = |code| ApiError::of(code, error);
    match error {
        DeployError::Bad(_) => of(ErrorCode::InvalidRequest),
        DeployError::Code(error) => code(error),
        DeployError::Init { reason, output } => {
            let mut message = format!("the function could not be initialised: {reason}");
            if !output.is_empty() {
                message.push_str("\n\n");
                message.push_str(output);
            }
            ApiError::new(ErrorCode::FunctionInitFailed, message).hint("nothing has changed")
        }
        DeployError::Lease(error) => lease(error),
        DeployError::Pool(error) => admin(error),
        DeployError::TooMany { .. } => {
            of(ErrorCode::TooManyFunctions).hint("remove what is not needed any more")
        }
        DeployError::Store(_) if is_disk_full(error) => {
            of(ErrorCode::DiskFull).hint("free space under the storage root")
        }
        DeployError::Store(_) => of(ErrorCode::Internal),
        DeployError::ShuttingDown => of(ErrorCode::ShuttingDown),
    }
}

fn code(error: &CodeError) -> ApiError {
    let of = |code| ApiError::of(code, error);
    match error {
        CodeError::TooLarge { .. } | CodeError::Bomb { .. } | CodeError::TooMany { .. } => {
            of(ErrorCode::CodeTooLarge)
        }
        CodeError::Empty
        | CodeError::UnknownFormat
        | CodeError::Damaged { .. }
        | CodeError::BadPath { .. }
        | CodeError::BadKind { .. } => of(ErrorCode::CodeInvalid),
        CodeError::Io { .. } if is_disk_full(error) => {
            of(ErrorCode::DiskFull).hint("free space under the storage root")
        }
        CodeError::Io { .. } => of(ErrorCode::Internal),
    }
}

pub(crate) fn invoke(error: &InvokeError) -> ApiError {
    let of = |code| ApiError::of(code, error);
    match error {
        InvokeError::Function(error) => function(error),
        InvokeError::EventTooLarge { .. } => of(ErrorCode::BodyTooLarge),
        InvokeError::Full { retry_after, .. } => of(ErrorCode::FunctionBusy)
            .hint("try again later, or deploy it with a higher concurrency")
            .retry_after(*retry_after),
        InvokeError::TimedOut(_) => of(ErrorCode::FunctionBusy)
            .hint("try again later, or deploy it with a higher concurrency")
            .retry_after(std::time::Duration::from_secs(1)),
        InvokeError::Lease(LeaseError::Full { retry_after, .. }) => of(ErrorCode::FunctionBusy)
            .hint("try again later, or deploy it with a higher max_warm")
            .retry_after(*retry_after),
        InvokeError::Lease(LeaseError::TimedOut(_)) => of(ErrorCode::FunctionBusy)
            .hint("try again later, or deploy it with a higher min_warm or max_warm")
            .retry_after(std::time::Duration::from_secs(1)),
        InvokeError::Lease(error) => lease(error),
        InvokeError::Rebake(error) => deploy(error),
        InvokeError::Exec(error) => exec(error),
        InvokeError::IdTaken(_) => {
            of(ErrorCode::FunctionEventIdTaken).hint("give every event an id of its own, or none")
        }
        InvokeError::WrongKind(_) => of(ErrorCode::FunctionWrongKind),
    }
}
