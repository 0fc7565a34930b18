//! A connection to a port inside a VM that speaks HTTP.

use axum::body::Body;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use thaw_api_types::ErrorCode;

use crate::{
    error::{ApiError, chain},
    failure,
    state::App,
};

/// Connects, for one request. The connection ends with its answer's body.
pub(crate) async fn connect(app: &App, vm: &str, port: u16) -> Result<SendRequest<Body>, ApiError> {
    let stream = match app.runner.vm_dial(vm, port).await {
        Ok(stream) => stream,
        Err(error) => return Err(failure::vm(app, None, &error).await),
    };
    let (sender, connection) = handshake(TokioIo::new(stream))
        .await
        .map_err(|error| no_answer(port, &error))?;
    app.runner.tend(async move {
        // How it broke off is told by the request or the body that it was for.
        let _ = connection.with_upgrades().await;
    });
    Ok(sender)
}

/// What listens closed the connection, or speaks something else.
pub(crate) fn no_answer(port: u16, error: &hyper::Error) -> ApiError {
    ApiError::new(
        ErrorCode::PortNoAnswer,
        format!(
            "what listens on port {port} in the VM gave no HTTP answer: {}",
            chain(error)
        ),
    )
    .hint("look at the server's own output")
}
