//! `POST /v1/exec`.

use std::{future::Future, time::Duration};

use axum::{Extension, extract::State, http::HeaderMap, response::Response};
use thaw_api_types::{ErrorBody, ExecRequest, ExecResponse};
use thaw_runner::{ExecCall, RunningExec};

use super::{
    account::Account,
    answer::{json, refuse, stream},
    request::{Form, checked},
    run::Run,
};
use crate::{
    body::{JsonBody, wants_events},
    convert,
    error::ApiError,
    failure,
    observe::Arrived,
    state::App,
};

/// Run a program in a fresh VM
///
/// The VM is made for this one program and is gone afterwards. With `Accept: text/event-stream` the output
/// comes as events `stdout`, `stderr` (data: `OutputChunk`), and last `exit` (the JSON answer without the
/// output) or `error`. A caller that hangs up ends the program and its VM.
///
/// A program that ran has status 200 whatever its exit code, also when its time was up. One that could not be
/// started is an error, so that `program_not_found` is told apart from a program's own exit code 127.
#[utoipa::path(
    post,
    path = "/v1/exec",
    tag = "exec",
    request_body = ExecRequest,
    responses(
        (status = 200, description = "It ran", content(
            (ExecResponse = "application/json"),
            (String = "text/event-stream"),
        )),
        (status = "4XX", description = "The request can't be done", body = ErrorBody),
        (status = "5XX", description = "It could not be done", body = ErrorBody),
    ),
)]
pub(crate) async fn exec(
    State(app): State<App>,
    Extension(arrived): Extension<Arrived>,
    headers: HeaderMap,
    JsonBody(request): JsonBody<ExecRequest>,
) -> Result<Response, ApiError> {
    let problems = request.problems();
    let (choice, request) = request.split();
    let (exec, form) = checked(request, wants_events(&headers), false, problems)?;
    let selector = convert::selector(
        choice.image,
        choice.template,
        choice.vcpus,
        choice.memory_mib,
    );
    let call = ExecCall {
        selector: selector.clone(),
        exec,
        start_within: Duration::from_millis(choice.start_timeout_ms),
    };
    let start = async {
        match app.runner.exec_once(call).await {
            Ok(running) => Ok(running),
            Err(error) => Err(failure::run(&app, &selector, &error).await),
        }
    };
    Ok(run_and_answer(&app, arrived, form, start).await)
}

/// Starts a program and answers as the caller wants it.
pub(crate) async fn run_and_answer(
    app: &App,
    Arrived(arrived): Arrived,
    form: Form,
    start: impl Future<Output = Result<RunningExec, ApiError>>,
) -> Response {
    let mut account = Account::open(app);
    let running = match start.await {
        Ok(running) => running,
        Err(error) => return refuse(account, error),
    };
    account.started(convert::start_kind(running.start()));
    tracing::debug!(vm = running.vm_id(), "the program was started");
    let run = Run::new(running, form.stdin);
    if form.events {
        stream(run, account, form.encoding, arrived).await
    } else {
        json(run, account, form.encoding, arrived).await
    }
}
