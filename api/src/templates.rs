//! `/v1/templates`.

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use thaw_api_types::{EnsureTemplateRequest, ErrorBody, ErrorCode, TemplateInfo, TemplateList};
use thaw_runner::node::{TemplateId, image::ProgressSink};

use crate::{
    body::{JsonBody, wants_events},
    convert,
    error::ApiError,
    failure,
    state::App,
    work,
};

/// List templates
#[utoipa::path(
    get,
    path = "/v1/templates",
    tag = "templates",
    responses((status = 200, description = "Every template", body = TemplateList)),
)]
pub(crate) async fn list(State(app): State<App>) -> Json<TemplateList> {
    let templates = app.runner.node().templates().await;
    Json(TemplateList {
        templates: templates.into_iter().map(convert::template).collect(),
    })
}

/// Find a template
#[utoipa::path(
    get,
    path = "/v1/templates/{id}",
    tag = "templates",
    params(("id" = String, Path, description = "The template's id")),
    responses(
        (status = 200, description = "The template", body = TemplateInfo),
        (status = 404, description = "There is none", body = ErrorBody),
    ),
)]
pub(crate) async fn find(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<TemplateInfo>, ApiError> {
    let templates = app.runner.node().templates().await;
    let found = templates
        .into_iter()
        .find(|template| template.id.as_str() == id);
    match found {
        Some(template) => Ok(Json(convert::template(template))),
        None => Err(ApiError::new(
            ErrorCode::TemplateNotFound,
            format!("there is no template {id:?}"),
        )
        .hint("`thaw template ls` lists what is there")),
    }
}

/// Bake a template where it is missing
///
/// Its image is made too where it is missing. With `Accept: text/event-stream` the work is told as events
/// `progress` (data: `ProgressEvent`), and last `done` (the JSON answer) or `error`.
#[utoipa::path(
    post,
    path = "/v1/templates",
    tag = "templates",
    request_body = EnsureTemplateRequest,
    responses(
        (status = 200, description = "The template", content(
            (TemplateInfo = "application/json"),
            (String = "text/event-stream"),
        )),
        (status = "4XX", description = "The request can't be done", body = ErrorBody),
        (status = "5XX", description = "It could not be done", body = ErrorBody),
    ),
)]
pub(crate) async fn ensure(
    State(app): State<App>,
    headers: HeaderMap,
    JsonBody(wanted): JsonBody<EnsureTemplateRequest>,
) -> Result<Response, ApiError> {
    let problems = wanted.problems();
    if !problems.is_empty() {
        return Err(ApiError::invalid(&problems));
    }
    let (vcpus, memory_mib) = convert::shape(wanted.vcpus, wanted.memory_mib);
    let selector = convert::selector(Some(wanted.image), None, vcpus, memory_mib);
    let make = move |progress: ProgressSink| async move {
        let made = app
            .runner
            .node()
            .ensure_template(&selector, &progress)
            .await;
        made.map(convert::template)
            .map_err(|error| failure::lease(&error))
    };
    Ok(work::answer(wants_events(&headers), make).await)
}

/// Remove a template that nothing uses
#[utoipa::path(
    delete,
    path = "/v1/templates/{id}",
    tag = "templates",
    params(("id" = String, Path, description = "The template's id")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "There is none", body = ErrorBody),
        (status = 409, description = "Something uses it", body = ErrorBody),
    ),
)]
pub(crate) async fn remove(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let removed = app
        .runner
        .node()
        .remove_template(&TemplateId::new(id))
        .await;
    removed.map_err(|error| failure::admin(&error))?;
    Ok(StatusCode::NO_CONTENT)
}
