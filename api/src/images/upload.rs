//! Takes an upload in: a raw body with the description in the query, or a form.

use axum::{
    body::Body,
    extract::{Request, multipart::Field},
};
use tempfile::NamedTempFile;
use thaw_api_types::{ErrorCode, UploadKind, UploadQuery};

use crate::{
    body::{content_length, cut_off, media_type, too_large},
    error::ApiError,
    form::Form,
    state::App,
};

/// The largest text field of a form, in bytes.
const MAX_TEXT_BYTES: usize = 1024;

/// An upload that lies in the spool; dropping it removes the file.
#[derive(Debug)]
pub(super) struct Spooled {
    pub(super) file: NamedTempFile,
    pub(super) kind: UploadKind,
    pub(super) name: Option<String>,
}

pub(super) async fn spool(
    app: &App,
    query: UploadQuery,
    request: Request,
) -> Result<Spooled, ApiError> {
    let limit = app.spool.max_bytes();
    if content_length(request.headers()).is_some_and(|length| length > limit) {
        return Err(too_large(limit));
    }
    match media_type(request.headers()).as_deref() {
        Some("multipart/form-data") => form(app, query, request).await,
        Some(
            "application/octet-stream"
            | "application/x-tar"
            | "application/tar"
            | "application/gzip"
            | "application/zstd",
        ) => {
            let kind = query.kind.ok_or_else(no_kind)?;
            let file = app
                .spool
                .take(Body::into_data_stream(request.into_body()))
                .await?;
            Ok(Spooled {
                file,
                kind,
                name: query.name,
            })
        }
        _ => Err(ApiError::new(
            ErrorCode::UnsupportedMediaType,
            "this route takes JSON with a source, or an upload",
        )
        .hint("uploads are application/octet-stream with ?kind=…, or multipart/form-data")),
    }
}

/// A form with the fields `kind`, `name` and, last, `file`.
async fn form(app: &App, query: UploadQuery, request: Request) -> Result<Spooled, ApiError> {
    let UploadQuery { mut kind, mut name } = query;
    let mut form = Form::of(request)
        .await
        .map_err(|error| ApiError::new(ErrorCode::InvalidRequest, error.body_text()))?;
    while let Some(field) = form.next_field().await? {
        match field.name() {
            Some("kind") => {
                let text = text(field).await?;
                let value = serde_json::Value::String(text);
                kind = Some(serde_json::from_value(value).map_err(|error| {
                    ApiError::new(ErrorCode::InvalidRequest, format!("field kind: {error}"))
                })?);
            }
            Some("name") => name = Some(text(field).await?),
            Some("file") => {
                let kind = kind.ok_or_else(no_kind)?;
                let file = app.spool.take(field).await?;
                return Ok(Spooled { file, kind, name });
            }
            other => {
                let other = other.unwrap_or_default().to_owned();
                return Err(ApiError::new(
                    ErrorCode::InvalidRequest,
                    format!("the form has a field {other:?}; it may have kind, name and file"),
                ));
            }
        }
    }
    Err(ApiError::new(
        ErrorCode::InvalidRequest,
        "the form has no field file",
    ))
}

async fn text(mut field: Field<'_>) -> Result<String, ApiError> {
    let mut bytes = Vec::new();
    while let Some(piece) = field.chunk().await.map_err(|_| cut_off())? {
        if bytes.len() + piece.len() > MAX_TEXT_BYTES {
            return Err(too_large(MAX_TEXT_BYTES as u64));
        }
        bytes.extend_from_slice(&piece);
    }
    String::from_utf8(bytes).map_err(|_| {
        ApiError::new(
            ErrorCode::InvalidRequest,
            "a field of the form is not UTF-8",
        )
    })
}

fn no_kind() -> ApiError {
    ApiError::new(ErrorCode::InvalidRequest, "the upload's kind is missing")
        .hint("add ?kind=oci-archive, docker-archive, rootfs or dockerfile")
}
