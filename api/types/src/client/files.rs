//! Files inside a VM.

use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream::BoxStream};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use reqwest::{Body, Method, Response, header};

use super::{Client, ClientError, admin::in_path};
use crate::{FileInfo, FileListing, MakeDirectoryRequest, MoveFileRequest};

/// How a file is written.
#[derive(Debug, Clone, Copy, Default)]
pub struct WriteFile {
    /// Its permissions; those of the file that is there, else 0644, when absent.
    pub mode: Option<u32>,
    /// Add to what is there.
    pub append: bool,
    /// Make missing folders on the way.
    pub parents: bool,
}

/// Bytes to send.
pub struct Content {
    length_bytes: Option<u64>,
    pieces: BoxStream<'static, std::io::Result<Bytes>>,
}

impl Content {
    /// Takes them as they come; a length that is known lets the server see a content that was cut off.
    pub fn new<S>(pieces: S, length_bytes: Option<u64>) -> Self
    where
        S: Stream<Item = std::io::Result<Bytes>> + Send + 'static,
    {
        Self {
            length_bytes,
            pieces: pieces.boxed(),
        }
    }
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Content")
            .field("length_bytes", &self.length_bytes)
            .finish_non_exhaustive()
    }
}

/// Bytes that come.
#[derive(Debug)]
pub struct Download {
    response: Response,
}

impl Download {
    pub(super) fn new(response: Response) -> Self {
        Self { response }
    }

    /// How many come in all, where that is known.
    pub fn length_bytes(&self) -> Option<u64> {
        self.response.content_length()
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// [`ClientError::Answer`] when they broke off: what came is not whole.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        self.response.chunk().await.map_err(ClientError::Answer)
    }

    /// All of them as a stream.
    pub fn into_stream(self) -> impl Stream<Item = std::io::Result<Bytes>> + Send + Unpin {
        let pieces = self.response.bytes_stream();
        Box::pin(pieces.map(|piece| piece.map_err(std::io::Error::other)))
    }
}

impl Client {
    /// Looks at a file, or lists a folder from the first name after `after` on.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn files(
        &self,
        vm: &str,
        path: &[u8],
        after: Option<&[u8]>,
        limit: Option<u32>,
    ) -> Result<FileListing, ClientError> {
        let mut url = url(vm, "", path);
        if let Some(after) = after {
            url.push_str(&format!("&after={}", escaped(after)));
        }
        if let Some(limit) = limit {
            url.push_str(&format!("&limit={limit}"));
        }
        self.get(&url).await
    }

    /// Reads a file from an offset on, at most so many bytes.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn read_file(
        &self,
        vm: &str,
        path: &[u8],
        offset_bytes: u64,
        length_bytes: Option<u64>,
    ) -> Result<Download, ClientError> {
        let mut url = url(vm, "/content", path);
        if offset_bytes > 0 {
            url.push_str(&format!("&offset={offset_bytes}"));
        }
        if let Some(length) = length_bytes {
            url.push_str(&format!("&length={length}"));
        }
        let response = self.answer(self.request(Method::GET, &url)).await?;
        Ok(Download::new(response))
    }

    /// Writes a file. It changes only when all of the content has come.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn write_file(
        &self,
        vm: &str,
        path: &[u8],
        how: WriteFile,
        content: Content,
    ) -> Result<FileInfo, ClientError> {
        let mut url = url(vm, "/content", path);
        if let Some(mode) = how.mode {
            url.push_str(&format!("&mode={mode:04o}"));
        }
        for (name, wanted) in [("append", how.append), ("parents", how.parents)] {
            if wanted {
                url.push_str(&format!("&{name}=true"));
            }
        }
        self.put(&url, "application/octet-stream", content).await
    }

    /// Packs a folder or file as a tar archive.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn pack_files(&self, vm: &str, path: &[u8]) -> Result<Download, ClientError> {
        let url = url(vm, "/archive", path);
        let response = self.answer(self.request(Method::GET, &url)).await?;
        Ok(Download::new(response))
    }

    /// Unpacks a tar archive into a folder.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn unpack_files(
        &self,
        vm: &str,
        path: &[u8],
        archive: Content,
    ) -> Result<FileInfo, ClientError> {
        let url = url(vm, "/archive", path);
        self.put(&url, "application/x-tar", archive).await
    }

    /// Makes a folder.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn make_directory(
        &self,
        vm: &str,
        request: &MakeDirectoryRequest,
    ) -> Result<FileInfo, ClientError> {
        let path = format!("/v1/vms/{}/files/mkdir", in_path(vm));
        self.send_json(Method::POST, &path, request).await
    }

    /// Moves a file or folder.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn move_file(
        &self,
        vm: &str,
        request: &MoveFileRequest,
    ) -> Result<FileInfo, ClientError> {
        let path = format!("/v1/vms/{}/files/move", in_path(vm));
        self.send_json(Method::POST, &path, request).await
    }

    /// Removes a file, a link, or a folder.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn remove_file(
        &self,
        vm: &str,
        path: &[u8],
        recursive: bool,
    ) -> Result<(), ClientError> {
        self.delete(&format!("{}&recursive={recursive}", url(vm, "", path)))
            .await
    }

    async fn put(
        &self,
        url: &str,
        kind: &'static str,
        content: Content,
    ) -> Result<FileInfo, ClientError> {
        let mut request = self
            .request(Method::PUT, url)
            .header(header::CONTENT_TYPE, kind);
        if let Some(length) = content.length_bytes {
            request = request.header(header::CONTENT_LENGTH, length);
        }
        self.json(request.body(Body::wrap_stream(content.pieces)))
            .await
    }
}

fn url(vm: &str, rest: &str, path: &[u8]) -> String {
    format!("/v1/vms/{}/files{rest}?path={}", in_path(vm), escaped(path))
}

/// Any bytes as the value of a parameter.
fn escaped(bytes: &[u8]) -> String {
    percent_encode(bytes, NON_ALPHANUMERIC).to_string()
}
