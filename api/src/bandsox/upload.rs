//! A file out of a form.

use axum::{
    Json,
    extract::{State, multipart::Field},
};
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use serde_json::{Value, json};
use thaw_api_types::limits::MAX_PATH_BYTES;
use tokio::fs::File;
use tokio_util::io::ReaderStream;

use super::{
    error::Detail,
    extract::{Id, PostedForm},
    fields::Fields,
    files::nonsense,
    names,
    write::{PIECE_BYTES, put},
};
use crate::state::App;

/// Takes a file out of a form. Where `file` comes before `remote_path`, it lies in the spool until that is read.
pub(crate) async fn upload(
    State(app): State<App>,
    Id(id): Id,
    PostedForm(mut form): PostedForm,
) -> Result<Json<Value>, Detail> {
    names::usable_vm(&app, &id)?;
    let (mut path, mut early) = (None, None);
    while let Some(mut field) = form.next_field().await? {
        match (field.name(), &path) {
            (Some("remote_path"), _) => path = Some(path_in(field).await?),
            (Some("file"), Some(path)) => {
                let pieces = field.map(|piece| piece.map_err(Detail::from));
                return uploaded(&app, &id, path, Box::pin(pieces)).await;
            }
            (Some("file"), None) => early = Some(app.spool.take_any(field).await?),
            _ => while field.chunk().await?.is_some() {},
        }
    }
    if let (Some(path), Some(file)) = (&path, early) {
        let (file, _remover) = file.into_parts();
        let pieces = ReaderStream::with_capacity(File::from_std(file), PIECE_BYTES);
        let pieces = pieces.map(|piece| piece.map_err(|_| nonsense()));
        return uploaded(&app, &id, path, pieces).await;
    }
    let mut fields = Fields::of_pairs("body", path.map(|path| ("remote_path".to_owned(), path)));
    fields.require("remote_path");
    fields.require("file");
    fields.finish()?;
    Err(nonsense())
}

async fn uploaded(
    app: &App,
    id: &str,
    path: &str,
    pieces: impl Stream<Item = Result<Bytes, Detail>> + Unpin,
) -> Result<Json<Value>, Detail> {
    put(app, id, path, false, pieces).await?;
    Ok(Json(json!({ "status": "uploaded", "path": path })))
}

/// A form's field that holds a path; of one that is too long no more is read.
async fn path_in(mut field: Field<'_>) -> Result<String, Detail> {
    let mut bytes = Vec::new();
    while let Some(piece) = field.chunk().await? {
        bytes.extend_from_slice(&piece);
        if bytes.len() > MAX_PATH_BYTES {
            break;
        }
    }
    let path = String::from_utf8_lossy(&bytes).into_owned();
    let pair = ("remote_path".to_owned(), path);
    let mut fields = Fields::of_pairs("body", [pair]);
    let path = fields.required_path("remote_path");
    fields.finish()?;
    Ok(path)
}
