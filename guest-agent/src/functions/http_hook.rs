//! The requests that a server is sent around the freeze, where its function asks for them.

use std::{io, net::Ipv4Addr};

use thaw_guest_protocol::HOOK_HEADER;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// No more of an answer is read.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;

/// Why a hook did not do what it should.
#[derive(Debug, thiserror::Error)]
pub(super) enum HookError {
    /// The server took no connection, or broke it off.
    #[error("no answer: {0}")]
    NoAnswer(#[from] io::Error),
    /// What came is no answer of HTTP.
    #[error("an answer that is not HTTP")]
    NotHttp,
    /// The server says that it went wrong.
    #[error("it answered with status {0}")]
    Status(u16),
}

/// Sends `POST path` without a body to the port and waits for the end of the answer.
///
/// # Errors
/// See [`HookError`]; a status other than 2xx is one.
pub(super) async fn call(port: u16, name: &str, path: &str) -> Result<(), HookError> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\n{HOOK_HEADER}: {name}\r\ncontent-length: 0\r\n\
         connection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    let mut answered = stream.take(MAX_ANSWER_BYTES);
    // A server that breaks off after its status has said what counts.
    let end = answered.read_to_end(&mut answer).await;
    match status(&answer) {
        Some(200..=299) => Ok(()),
        Some(status) => Err(HookError::Status(status)),
        None if answer.is_empty() => Err(HookError::NoAnswer(
            end.err()
                .unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into()),
        )),
        None => Err(HookError::NotHttp),
    }
}

/// The status in `HTTP/1.1 204 No Content`.
fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|&byte| byte == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split_ascii_whitespace();
    words.next().filter(|word| word.starts_with("HTTP/1."))?;
    words.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_of_the_first_line_of_http_only() {
        assert_eq!(
            status(b"HTTP/1.0 204 No Content\r\nx: y\r\n\r\n"),
            Some(204)
        );
        assert_eq!(status(b"HTTP/1.1 503\r\n"), Some(503));
        for none in [
            &b""[..],
            b"SSH-2.0-x 200\r\n",
            b"HTTP/1.1\n200",
            b"\xff\xfe",
        ] {
            assert_eq!(status(none), None, "{none:?}");
        }
    }
}
