//! `/v1/vms/{id}/terminal`

use axum::{
    Extension,
    extract::{State, WebSocketUpgrade},
    response::Response,
};
use serde::Deserialize;
use thaw_api_types::{ErrorBody, TerminalSize, VmExecRequest};
use thaw_runner::node::vmm::protocol::PtySize;
use utoipa::IntoParams;

use super::serve::{Framing, MAX_MESSAGE_BYTES, serve};
use crate::{
    body::Parameters,
    convert,
    error::ApiError,
    exec::{account::Account, answer::refuse, request::checked},
    failure,
    named::Named,
    observe::Arrived,
    state::App,
};

/// What runs when nothing is named: bash where the image has it.
const SHELL: &str = "if command -v bash >/dev/null; then exec bash; else exec sh; fi";

/// A terminal to open.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TerminalQuery {
    /// Columns: 1 to 1000, default 80.
    #[serde(default = "default_cols")]
    cols: u16,
    /// Rows: 1 to 1000, default 24.
    #[serde(default = "default_rows")]
    rows: u16,
    /// A command line for `/bin/sh -c`; a shell when absent.
    command: Option<String>,
    /// The working directory; the image's when absent, else `/`.
    cwd: Option<String>,
    /// `name`, `uid`, `name:group` or `uid:gid`; the image's when absent, else root.
    user: Option<String>,
    /// The variable TERM; `xterm-256color` when absent.
    term: Option<String>,
}

fn default_cols() -> u16 {
    80
}

fn default_rows() -> u16 {
    24
}

/// Open a terminal in a VM
///
/// A WebSocket. Binary messages are the terminal's bytes, both ways. Text messages of the client are
/// `SocketControl`, such as `{"type": "resize", "cols": 100, "rows": 40}`. When the program has ended the server
/// sends a last text message, `SocketEnd`, and closes. A client that leaves ends the program.
#[utoipa::path(
    get,
    path = "/v1/vms/{id}/terminal",
    tag = "inside",
    params(("id" = String, Path, description = "The VM's id or name"), TerminalQuery),
    responses(
        (status = 101, description = "The terminal is open"),
        (status = "4XX", description = "The request can't be done", body = ErrorBody),
        (status = "5XX", description = "It could not be done", body = ErrorBody),
    ),
)]
pub(crate) async fn terminal(
    State(app): State<App>,
    Extension(Arrived(arrived)): Extension<Arrived>,
    Named(id): Named,
    Parameters(query): Parameters<TerminalQuery>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, ApiError> {
    let size = TerminalSize {
        cols: query.cols,
        rows: query.rows,
    };
    let mut request = VmExecRequest {
        command: Some(query.command.unwrap_or_else(|| SHELL.to_owned())),
        cwd: query.cwd,
        user: query.user,
        ..VmExecRequest::default()
    };
    if let Some(term) = query.term {
        request.env.insert("TERM".to_owned(), term);
    }
    let problems = size.problem().into_iter().collect();
    let (mut exec, _) = checked(request, true, true, problems)?;
    exec.pty = Some(PtySize {
        cols: size.cols,
        rows: size.rows,
    });
    (exec.stdin, exec.timeout, exec.output_limit_bytes) = (true, None, u64::MAX);
    let mut account = Account::open(&app);
    let running = match app.runner.vm_exec(&id, exec).await {
        Ok(running) => running,
        Err(error) => return Ok(refuse(account, failure::vm(&app, None, &error).await)),
    };
    account.started(convert::start_kind(running.start()));
    let upgrade = upgrade
        .max_message_size(MAX_MESSAGE_BYTES)
        .max_frame_size(MAX_MESSAGE_BYTES);
    Ok(upgrade
        .on_upgrade(move |socket| serve(app, socket, running, account, arrived, Framing::Raw)))
}
