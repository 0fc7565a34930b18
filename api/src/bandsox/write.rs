//! Files of a VM: written.

use axum::{
    Json,
    body::Bytes,
    extract::{Request, State},
    http::StatusCode,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::{Stream, StreamExt as _, stream};
use serde_json::{Value, json};
use thaw_api_types::{ErrorCode, limits::MAX_JSON_BODY_BYTES};
use thaw_runner::node::{StreamEvent, StreamInput, vmm::protocol::FileOperation};

use super::{
    error::Detail,
    extract::Id,
    fields::Fields,
    files::{MAX_JSON_FILE_BYTES, Wanted, begin, next},
    names,
};
use crate::{body, state::App};

/// The largest body that holds such a file: as base64, with a path and some JSON around it.
const MAX_WRITE_BODY_BYTES: usize = MAX_JSON_FILE_BYTES / 3 * 4 + (1 << 20);

/// Pieces in which a text is handed to the guest.
pub(super) const PIECE_BYTES: usize = 64 * 1024;

/// Writes a file out of JSON.
pub(crate) async fn write(
    State(app): State<App>,
    Id(id): Id,
    request: Request,
) -> Result<Json<Value>, Detail> {
    write_as(&app, &id, request, false).await
}

/// Adds to a file out of JSON.
pub(crate) async fn append(
    State(app): State<App>,
    Id(id): Id,
    request: Request,
) -> Result<Json<Value>, Detail> {
    write_as(&app, &id, request, true).await
}

async fn write_as(
    app: &App,
    id: &str,
    request: Request,
    always_append: bool,
) -> Result<Json<Value>, Detail> {
    names::usable_vm(app, id)?;
    // Never closed. What it bounds is held until the file is written.
    let _place = match is_large(&request) {
        true => app.large_bodies.acquire().await.ok(),
        false => None,
    };
    let mut fields = file_fields(request).await?;
    let path = fields.required_path("path");
    let content = fields.required_text("content");
    let encoding = fields.text("encoding");
    let append = fields.flag("append").unwrap_or(false) || always_append;
    fields.finish()?;
    let content = match encoding.as_deref() {
        Some("base64") => decoded(content)?,
        _ => content.into_bytes(),
    };
    if content.len() > MAX_JSON_FILE_BYTES {
        return Err(content_too_large());
    }
    put(app, id, &path, append, pieces(content.into())).await?;
    let status = if append { "appended" } else { "written" };
    Ok(Json(json!({ "status": status, "path": path })))
}

/// The text is gone when its bytes are there.
fn decoded(text: String) -> Result<Vec<u8>, Detail> {
    STANDARD
        .decode(text)
        .map_err(|_| Detail::new(StatusCode::BAD_REQUEST, "Invalid base64 file content"))
}

/// Whether a body is, or may become, larger than other JSON bodies may be.
fn is_large(request: &Request) -> bool {
    let announced = body::content_length(request.headers());
    announced.is_none_or(|length| length > MAX_JSON_BODY_BYTES as u64)
}

/// The fields of a body that holds a file.
async fn file_fields(request: Request) -> Result<Fields, Detail> {
    let body = body::read(request, MAX_WRITE_BODY_BYTES).await;
    let body = body.map_err(|error| match error.code() {
        ErrorCode::BodyTooLarge => content_too_large(),
        _ => error.into(),
    })?;
    Fields::of_body(&body)
}

fn content_too_large() -> Detail {
    let text = format!("File content exceeds {MAX_JSON_FILE_BYTES} byte limit");
    Detail::new(StatusCode::PAYLOAD_TOO_LARGE, text)
}

fn pieces(mut bytes: Bytes) -> impl Stream<Item = Result<Bytes, Detail>> + Unpin {
    stream::iter(std::iter::from_fn(move || {
        let piece = bytes.split_to(bytes.len().min(PIECE_BYTES));
        (!piece.is_empty()).then_some(Ok(piece))
    }))
}

/// Writes a file; the guest throws away what was sent of one that is not sent to its end.
pub(super) async fn put(
    app: &App,
    id: &str,
    path: &str,
    append: bool,
    mut pieces: impl Stream<Item = Result<Bytes, Detail>> + Unpin,
) -> Result<(), Detail> {
    let operation = FileOperation::Write {
        path: path.into(),
        mode: None,
        append,
        parents: true,
    };
    let mut running = begin(app, id, Wanted::File(path), operation).await?;
    while let Some(piece) = pieces.next().await {
        // Dropped here, the half that was sent is thrown away by the guest.
        let piece = piece?;
        let fed = running.stream.input.send(StreamInput::Data(piece)).await;
        if fed.is_err() {
            // The guest has said why.
            break;
        }
    }
    let _ = running.stream.input.send(StreamInput::End).await;
    loop {
        if let StreamEvent::Done(_) = next(app, Wanted::File(path), &mut running).await? {
            return Ok(());
        }
    }
}
