//! Where uploads lie while an image is made of them.

use std::{
    fs::{self, DirBuilder},
    io::{self, Seek as _, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt as _};
use tempfile::NamedTempFile;
use thaw_api_types::ErrorCode;

use crate::{
    body::{cut_off, too_large},
    error::ApiError,
};

/// Bytes are collected up to this size before they are written, so that small pieces cost no task switch each.
const WRITE_BYTES: usize = 1 << 20;

/// The folder of uploads. A file in it removes itself when it is dropped; what a killed process left is removed
/// at the next start.
#[derive(Debug)]
pub(crate) struct Spool {
    folder: PathBuf,
    max_bytes: u64,
}

impl Spool {
    pub(crate) fn open(folder: &Path, max_bytes: u64) -> io::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        for entry in fs::read_dir(folder)? {
            fs::remove_file(entry?.path())?;
        }
        Ok(Self {
            folder: folder.to_owned(),
            max_bytes,
        })
    }

    pub(super) fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// Writes a stream to a file of its own; one without a byte is refused.
    ///
    /// # Cancel safety
    /// Dropped before it returns, the file is removed.
    pub(crate) async fn take<E>(
        &self,
        pieces: impl Stream<Item = Result<Bytes, E>> + Unpin,
    ) -> Result<NamedTempFile, ApiError> {
        match self.write(pieces).await? {
            (_, 0) => Err(ApiError::new(
                ErrorCode::InvalidRequest,
                "the upload is empty",
            )),
            (file, _) => Ok(file),
        }
    }

    /// Writes a stream to a file of its own, which is at its beginning again then.
    ///
    /// # Cancel safety
    /// Dropped before it returns, the file is removed.
    pub(crate) async fn take_any<E>(
        &self,
        pieces: impl Stream<Item = Result<Bytes, E>> + Unpin,
    ) -> Result<NamedTempFile, ApiError> {
        let (mut file, _) = self.write(pieces).await?;
        blocking(move || {
            file.rewind()?;
            Ok(file)
        })
        .await
    }

    /// The file, and how many bytes are in it.
    async fn write<E>(
        &self,
        mut pieces: impl Stream<Item = Result<Bytes, E>> + Unpin,
    ) -> Result<(NamedTempFile, u64), ApiError> {
        let folder = self.folder.clone();
        let mut file = blocking(move || NamedTempFile::with_prefix_in("upload-", folder)).await?;
        let mut waiting = BytesMut::new();
        let mut taken = 0;
        loop {
            let piece = match pieces.next().await {
                Some(Ok(piece)) => Some(piece),
                Some(Err(_)) => return Err(cut_off()),
                None => None,
            };
            if let Some(piece) = &piece {
                taken += piece.len() as u64;
                if taken > self.max_bytes {
                    return Err(too_large(self.max_bytes));
                }
                waiting.extend_from_slice(piece);
            }
            if waiting.len() >= WRITE_BYTES || piece.is_none() {
                let bytes = waiting.split();
                file = blocking(move || {
                    file.write_all(&bytes)?;
                    Ok(file)
                })
                .await?;
            }
            if piece.is_none() {
                break;
            }
        }
        Ok((file, taken))
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, ApiError> {
    let done = match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(io::Error::other(error)),
    };
    done.map_err(|error| match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ApiError::new(
            ErrorCode::DiskFull,
            "the disk is full: the upload does not fit",
        )
        .hint("free space under the storage root"),
        _ => ApiError::new(
            ErrorCode::Internal,
            format!("could not write the upload: {error}"),
        ),
    })
}
