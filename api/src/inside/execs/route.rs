//! Starting, listing, signalling and removing programs in the background.

use axum::{
    Json,
    extract::{FromRequestParts, Path, State},
    http::{StatusCode, request::Parts},
};
use thaw_api_types::{
    BackgroundExec, BackgroundExecList, Encoding, ErrorBody, ErrorCode, SignalRequest,
    VmExecRequest, limits::MAX_NAME_CHARS,
};
use thaw_runner::node::{
    InsideRequest,
    vmm::protocol::{BackgroundOperation, ExecId, Reply},
};

use super::convert;
use crate::{
    body::JsonBody, error::ApiError, exec::checked, failure, inside::data::nonsense, named::Named,
    state::App,
};

/// A VM and a program in its background, as a path names them.
pub(crate) struct NamedExec {
    pub(super) vm: String,
    pub(super) exec: ExecId,
}

impl<S: Send + Sync> FromRequestParts<S> for NamedExec {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let found = Path::<(String, u64)>::from_request_parts(parts, state).await;
        let Path((vm, exec)) =
            found.map_err(|error| ApiError::new(ErrorCode::InvalidRequest, error.body_text()))?;
        if vm.chars().count() > MAX_NAME_CHARS {
            let problem = format!("ids and names have at most {MAX_NAME_CHARS} characters");
            return Err(ApiError::invalid(&[problem]));
        }
        Ok(Self {
            vm,
            exec: ExecId(exec),
        })
    }
}

/// Start a program in the background of a VM
///
/// It belongs to the VM and runs on when the caller leaves, when the server is started again, and in forks of the VM;
/// without `timeout_ms` it runs until it ends. Of each output stream the last 128 KiB are kept. It has no standard
/// input, and neither `output_limit_bytes` nor `encoding` mean anything here. A VM keeps 64 of them: the oldest that
/// has ended is forgotten for a new one. One that runs does not keep a VM awake that nobody uses.
#[utoipa::path(
    post,
    path = "/v1/vms/{id}/execs",
    operation_id = "start_exec",
    tag = "inside",
    params(("id" = String, Path, description = "The VM's id or name")),
    request_body = VmExecRequest,
    responses(
        (status = 201, description = "It was started", body = BackgroundExec),
        (status = "4XX", description = "The request can't be done", body = ErrorBody),
        (status = "5XX", description = "It could not be done", body = ErrorBody),
    ),
)]
pub(crate) async fn start(
    State(app): State<App>,
    Named(id): Named,
    JsonBody(request): JsonBody<VmExecRequest>,
) -> Result<(StatusCode, Json<BackgroundExec>), ApiError> {
    let problems = [
        (request.language.is_some(), "language and code"),
        (
            request.stdin.is_some() || request.stdin_base64.is_some(),
            "stdin",
        ),
        (request.output_limit_bytes.is_some(), "output_limit_bytes"),
        (request.encoding != Encoding::default(), "encoding"),
    ];
    let problems = problems.iter().filter(|(is_there, _)| *is_there);
    let problems = problems
        .map(|(_, what)| format!("{what}: not for a program in the background"))
        .collect();
    let unlimited = request.timeout_ms.is_none();
    let (mut exec, _) = checked(request, true, true, problems)?;
    if unlimited {
        exec.timeout = None;
    }
    match app.runner.vm_start(&id, exec).await {
        Ok(reply) => Ok((StatusCode::CREATED, Json(convert::one(reply)?))),
        Err(error) => Err(failure::vm(&app, None, &error).await),
    }
}

/// List the programs in the background of a VM
#[utoipa::path(
    get,
    path = "/v1/vms/{id}/execs",
    operation_id = "list_execs",
    tag = "inside",
    params(("id" = String, Path, description = "The VM's id or name")),
    responses(
        (status = 200, description = "All of them", body = BackgroundExecList),
        (status = "4XX", description = "The request can't be done", body = ErrorBody),
        (status = "5XX", description = "It could not be done", body = ErrorBody),
    ),
)]
pub(crate) async fn list(
    State(app): State<App>,
    Named(id): Named,
) -> Result<Json<BackgroundExecList>, ApiError> {
    match ask(&app, &id, BackgroundOperation::List).await? {
        Reply::Execs { execs } => Ok(Json(BackgroundExecList {
            execs: execs.into_iter().map(convert::exec).collect(),
        })),
        _ => Err(nonsense()),
    }
}

/// Look at a program in the background of a VM
#[utoipa::path(
    get,
    path = "/v1/vms/{id}/execs/{exec}",
    operation_id = "find_exec",
    tag = "inside",
    params(
        ("id" = String, Path, description = "The VM's id or name"),
        ("exec" = u64, Path, description = "The program's number"),
    ),
    responses(
        (status = 200, description = "The program", body = BackgroundExec),
        (status = "4XX", description = "The request can't be done", body = ErrorBody),
        (status = "5XX", description = "It could not be done", body = ErrorBody),
    ),
)]
pub(crate) async fn find(
    State(app): State<App>,
    named: NamedExec,
) -> Result<Json<BackgroundExec>, ApiError> {
    let operation = BackgroundOperation::Inspect { id: named.exec };
    one(&app, &named.vm, operation).await
}

/// Send a signal to a program in the background of a VM
///
/// All of its process group gets it. One that has ended is left as it is.
#[utoipa::path(
    post,
    path = "/v1/vms/{id}/execs/{exec}/signal",
    operation_id = "signal_exec",
    tag = "inside",
    params(
        ("id" = String, Path, description = "The VM's id or name"),
        ("exec" = u64, Path, description = "The program's number"),
    ),
    request_body = SignalRequest,
    responses(
        (status = 200, description = "The program as it was", body = BackgroundExec),
        (status = "4XX", description = "The request can't be done", body = ErrorBody),
        (status = "5XX", description = "It could not be done", body = ErrorBody),
    ),
)]
pub(crate) async fn signal(
    State(app): State<App>,
    named: NamedExec,
    JsonBody(request): JsonBody<SignalRequest>,
) -> Result<Json<BackgroundExec>, ApiError> {
    let signal = request.signal;
    if !(1..=64).contains(&signal) {
        let problem = format!("signal is {signal}; it may be 1 to 64");
        return Err(ApiError::invalid(&[problem]));
    }
    let operation = BackgroundOperation::Signal {
        id: named.exec,
        signal,
    };
    one(&app, &named.vm, operation).await
}

/// Forget a program in the background of a VM
///
/// One that runs is killed first.
#[utoipa::path(
    delete,
    path = "/v1/vms/{id}/execs/{exec}",
    operation_id = "remove_exec",
    tag = "inside",
    params(
        ("id" = String, Path, description = "The VM's id or name"),
        ("exec" = u64, Path, description = "The program's number"),
    ),
    responses(
        (status = 200, description = "The program as it ended", body = BackgroundExec),
        (status = "4XX", description = "The request can't be done", body = ErrorBody),
        (status = "5XX", description = "It could not be done", body = ErrorBody),
    ),
)]
pub(crate) async fn remove(
    State(app): State<App>,
    named: NamedExec,
) -> Result<Json<BackgroundExec>, ApiError> {
    let operation = BackgroundOperation::Remove { id: named.exec };
    one(&app, &named.vm, operation).await
}

/// Asks for something that is answered with the program.
async fn one(
    app: &App,
    vm: &str,
    operation: BackgroundOperation,
) -> Result<Json<BackgroundExec>, ApiError> {
    convert::one(ask(app, vm, operation).await?).map(Json)
}

async fn ask(app: &App, vm: &str, operation: BackgroundOperation) -> Result<Reply, ApiError> {
    let asked = app
        .runner
        .vm_reply(vm, InsideRequest::Background(operation));
    match asked.await {
        Ok(reply) => Ok(reply),
        Err(error) => Err(failure::vm(app, None, &error).await),
    }
}
