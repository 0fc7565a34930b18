//! Deploying.

use axum::{
    body::Bytes,
    extract::{FromRequest as _, Request, State, multipart::Field},
    response::Response,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::BytesMut;
use thaw_api_types::{DeployFunctionRequest, ErrorBody, ErrorCode, FunctionInfo, FunctionKind};
use thaw_runner::node::image::ProgressSink;

use super::convert;
use crate::{
    body::{JsonBody, cut_off, media_type, too_large, wants_events},
    error::ApiError,
    failure,
    form::Form,
    state::App,
    work,
};

/// The largest description of a function in a form, in bytes.
const MAX_DESCRIPTION_BYTES: u64 = 1 << 20;

/// Deploy a function
///
/// A form with the parts `function` (JSON: `DeployFunctionRequest`) and `code` (a zip, tar or tar.gz), or JSON
/// with `code_base64`. A function of kind `lambda` may have its code in its image instead. The function is initialised and frozen before this answers; when that fails, the error
/// holds what the function said, and nothing has changed. With `Accept: text/event-stream` the work is told as
/// events `progress`, and last `done` or `error`. It goes on when the caller hangs up.
#[utoipa::path(
    post,
    path = "/v1/functions",
    tag = "functions",
    request_body(content(
        (Vec<u8> = "multipart/form-data"),
        (DeployFunctionRequest = "application/json"),
    )),
    responses(
        (status = 200, description = "The function, with its new version", content(
            (FunctionInfo = "application/json"),
            (String = "text/event-stream"),
        )),
        (status = "4XX", description = "The request can't be done", body = ErrorBody),
        (status = "5XX", description = "It could not be done", body = ErrorBody),
    ),
)]
pub(crate) async fn deploy(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let events = wants_events(request.headers());
    let limit = app.functions.limits().code.packed_bytes;
    let (wanted, code) = match media_type(request.headers()).as_deref() {
        Some("multipart/form-data") => form(request, limit).await?,
        _ => {
            let JsonBody(mut wanted) =
                JsonBody::<DeployFunctionRequest>::from_request(request, &()).await?;
            let code = wanted.code_base64.take().map(|code| STANDARD.decode(code));
            let code = code.transpose().map_err(|error| {
                ApiError::new(
                    ErrorCode::InvalidRequest,
                    format!("code_base64 is no standard base64: {error}"),
                )
            })?;
            (wanted, code.map(Bytes::from))
        }
    };
    let mut problems = wanted.problems();
    if code.is_none() && wanted.kind != FunctionKind::Lambda {
        problems.push(
            "the code is missing: send it as code_base64, or in a form with the parts function and code"
                .to_owned(),
        );
    }
    if !problems.is_empty() {
        return Err(ApiError::invalid(&problems));
    }
    let deploy = convert::deploy(wanted, code)
        .map_err(|error| ApiError::of(ErrorCode::InvalidRequest, &error))?;
    let make = move |progress: ProgressSink| async move {
        let deployed = app.functions.deploy(deploy, progress).await;
        deployed
            .map(convert::function)
            .map_err(|error| failure::deploy(&error))
    };
    Ok(work::answer(events, make).await)
}

async fn form(
    request: Request,
    limit: u64,
) -> Result<(DeployFunctionRequest, Option<Bytes>), ApiError> {
    let mut form = Form::of(request)
        .await
        .map_err(|error| ApiError::new(ErrorCode::InvalidRequest, error.body_text()))?;
    let (mut wanted, mut code) = (None, None);
    while let Some(field) = form.next_field().await? {
        match field.name() {
            Some("function") => {
                let text = read(field, MAX_DESCRIPTION_BYTES).await?;
                let parsed = serde_json::from_slice(&text).map_err(|error| {
                    ApiError::new(
                        ErrorCode::InvalidRequest,
                        format!("the part function: {error}"),
                    )
                })?;
                wanted = Some(parsed);
            }
            Some("code") => code = Some(read(field, limit).await?),
            other => {
                let name = other.unwrap_or_default();
                return Err(ApiError::new(
                    ErrorCode::InvalidRequest,
                    format!("the form has a part {name:?}; its parts are function and code"),
                ));
            }
        }
    }
    let wanted = wanted
        .ok_or_else(|| ApiError::new(ErrorCode::InvalidRequest, "the form has no part function"))?;
    Ok((wanted, code))
}

async fn read(mut field: Field<'_>, limit: u64) -> Result<Bytes, ApiError> {
    let mut bytes = BytesMut::new();
    while let Some(piece) = field.chunk().await.map_err(|_| cut_off())? {
        bytes.extend_from_slice(&piece);
        if bytes.len() as u64 > limit {
            return Err(too_large(limit));
        }
    }
    Ok(bytes.freeze())
}
