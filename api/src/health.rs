//! What the server says of itself: `/healthz`, `/readyz`, `/metrics`.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use thaw_api_types::{ErrorCode, Health, Readiness};

use crate::{error::ApiError, state::App};

/// Whether the server answers
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "server",
    responses((status = 200, description = "It does", body = Health)),
)]
pub(crate) async fn healthz() -> Json<Health> {
    Json(Health {
        status: "ok".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

/// Whether the server can run programs, and with what
///
/// The server listens only once its engine is proven and its storage is open; it is not ready while it stops.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "server",
    responses(
        (status = 200, description = "It can", body = Readiness),
        (status = 503, description = "It is shutting down", body = Readiness),
    ),
)]
pub(crate) async fn readyz(State(app): State<App>) -> Response {
    let figures = app.runner.node().figures().await;
    let ready = !app.runner.is_shutting_down();
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let readiness = Readiness {
        ready,
        engine: figures.engine,
        engine_reason: figures.engine_reason,
        memory_mode: figures.memory_mode,
        memory_reason: figures.memory_reason,
    };
    (status, Json(readiness)).into_response()
}

/// Metrics in Prometheus' text format
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "server",
    responses((status = 200, description = "The metrics", body = String, content_type = "text/plain")),
)]
pub(crate) async fn metrics(State(app): State<App>) -> Result<Response, ApiError> {
    let node = app.runner.node();
    let (figures, pools) = (node.figures().await, node.pools().await);
    let text = app
        .metrics
        .render(
            &figures,
            &pools,
            app.runner.vm_count(),
            &app.functions.standing(),
        )
        .map_err(|error| ApiError::of(ErrorCode::Internal, &error))?;
    Ok(([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response())
}
