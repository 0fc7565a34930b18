//! Sending files.

use std::path::Path;

use futures::StreamExt as _;
use reqwest::{Body, Method, header};
use tokio_util::io::ReaderStream;

use super::{Client, ClientError, Work};
use crate::{ImageInfo, UploadKind};

/// How much of a file is read at once.
const PIECE_BYTES: usize = 256 * 1024;

/// A file to make an image of.
#[derive(Debug, Clone, Copy)]
pub struct Upload<'a> {
    /// The file.
    pub path: &'a Path,
    /// What it is.
    pub kind: UploadKind,
    /// The image's name; one is made of the digest when absent.
    pub name: Option<&'a str>,
}

impl Client {
    /// Sends a file and makes an image of it. `sent` hears how many bytes were read for sending, in all, and
    /// of how many.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn upload_image(
        &self,
        upload: Upload<'_>,
        mut sent: impl FnMut(u64, u64) + Send + 'static,
    ) -> Result<Work<ImageInfo>, ClientError> {
        let failed = |source| ClientError::File {
            path: upload.path.display().to_string(),
            source,
        };
        let file = tokio::fs::File::open(upload.path).await.map_err(failed)?;
        let size = file.metadata().await.map_err(failed)?.len();
        let mut done = 0;
        let pieces = ReaderStream::with_capacity(file, PIECE_BYTES).inspect(move |piece| {
            if let Ok(piece) = piece {
                done += piece.len() as u64;
                sent(done, size);
            }
        });
        let mut path = format!("/v1/images?kind={}", upload.kind.as_str());
        if let Some(name) = upload.name {
            path.push_str("&name=");
            path.push_str(&super::admin::in_path(name));
        }
        let request = self
            .request(Method::POST, &path)
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .header(header::CONTENT_LENGTH, size)
            .body(Body::wrap_stream(pieces));
        self.work(request).await
    }
}
