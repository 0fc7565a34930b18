//! `/v1/vms/{id}/exec/ws`

use std::time::{Duration, Instant};

use axum::{
    Extension,
    extract::{
        State, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    response::Response,
};
use thaw_api_types::{ErrorBody, ErrorCode, ExecSocketStart};
use thaw_runner::node::{ExecRequest, vmm::protocol::PtySize};
use tokio::time::timeout;

use super::serve::{Framing, MAX_MESSAGE_BYTES, refuse, serve};
use crate::{
    convert,
    error::ApiError,
    exec::{account::Account, request::checked},
    failure,
    named::Named,
    observe::Arrived,
    state::App,
};

/// How long a client has to say what to run.
const FIRST_WORD: Duration = Duration::from_secs(10);

/// Run a program in a VM, with standard input and signals
///
/// A WebSocket. The client's first text message is `ExecSocketStart`; its binary messages are standard input, its
/// further text messages `SocketControl`. Binary messages of the server begin with a byte that says what follows:
/// 1 standard output, 2 standard error. When the program has ended the server sends a last text message,
/// `SocketEnd`, and closes. A client that leaves ends the program.
#[utoipa::path(
    get,
    path = "/v1/vms/{id}/exec/ws",
    tag = "inside",
    params(("id" = String, Path, description = "The VM's id or name")),
    responses(
        (status = 101, description = "The server waits for the first message"),
        (status = "4XX", description = "The request can't be done", body = ErrorBody),
        (status = "5XX", description = "It could not be done", body = ErrorBody),
    ),
)]
pub(crate) async fn exec_socket(
    State(app): State<App>,
    Extension(Arrived(arrived)): Extension<Arrived>,
    Named(id): Named,
    upgrade: WebSocketUpgrade,
) -> Result<Response, ApiError> {
    if let Err(error) = app.runner.vm(&id) {
        return Err(failure::vm(&app, None, &error).await);
    }
    let upgrade = upgrade
        .max_message_size(MAX_MESSAGE_BYTES)
        .max_frame_size(MAX_MESSAGE_BYTES);
    Ok(upgrade.on_upgrade(move |socket| run(app, socket, id, arrived)))
}

async fn run(app: App, mut socket: WebSocket, vm: String, arrived: Instant) {
    let mut account = Account::open(&app);
    let exec = match first_word(&mut socket).await {
        Ok(Some(exec)) => exec,
        Ok(None) => return,
        Err(error) => return refuse(socket, account, error).await,
    };
    match app.runner.vm_exec(&vm, exec).await {
        Ok(running) => {
            account.started(convert::start_kind(running.start()));
            Box::pin(serve(
                app,
                socket,
                running,
                account,
                arrived,
                Framing::Channels,
            ))
            .await;
        }
        Err(error) => {
            let error = failure::vm(&app, None, &error).await;
            refuse(socket, account, error).await;
        }
    }
}

/// What the client wants to run; none when it left.
async fn first_word(socket: &mut WebSocket) -> Result<Option<ExecRequest>, ApiError> {
    let late = || ApiError::invalid(&["the first message did not come in time".to_owned()]);
    loop {
        let message = timeout(FIRST_WORD, socket.recv());
        match message.await.map_err(|_| late())? {
            Some(Ok(Message::Text(text))) => return request(&text).map(Some),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Binary(_))) => {
                let problem = "the first message must be text: what to run";
                return Err(ApiError::invalid(&[problem.to_owned()]));
            }
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Ok(None),
        }
    }
}

fn request(text: &str) -> Result<ExecRequest, ApiError> {
    let start: ExecSocketStart = serde_json::from_str(text)
        .map_err(|error| ApiError::new(ErrorCode::InvalidRequest, error.to_string()))?;
    let mut problems: Vec<_> = start
        .tty
        .and_then(thaw_api_types::TerminalSize::problem)
        .into_iter()
        .collect();
    if start.exec.stdin.is_some() || start.exec.stdin_base64.is_some() {
        problems.push("standard input comes as binary messages".to_owned());
    }
    // Nothing is gathered here, so nothing needs a bound that the caller did not set.
    let unlimited = start.exec.timeout_ms.is_none();
    let all_output = start.exec.output_limit_bytes.is_none();
    let (mut exec, _) = checked(start.exec, true, true, problems)?;
    exec.stdin = start.stdin;
    exec.pty = start.tty.map(|size| PtySize {
        cols: size.cols,
        rows: size.rows,
    });
    if all_output {
        exec.output_limit_bytes = u64::MAX;
    }
    if unlimited {
        exec.timeout = None;
    }
    Ok(exec)
}
