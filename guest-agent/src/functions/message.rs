//! The words between the agent and a function's process; `python_function.py` and `node_function.js` are
//! the other side.

use std::io;

use bytes::{BufMut as _, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Kind, length of the head, length of the body: three times u32, native order.
const WORDS_BYTES: usize = 12;

/// The largest head that is believed.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// What a process is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ask {
    Load = 1,
    Snapshot = 2,
    Invoke = 3,
    Ping = 4,
}

/// What a process answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// What was asked for is done.
    Ready,
    /// It could not be done; why was said on standard error.
    Failed,
    /// The handler returned.
    Result,
    /// The handler raised an error.
    Raised,
    /// What is done after a thaw raised an error.
    RestoreFailed,
    /// A piece of what the handler returns; more follows.
    Piece,
}

impl Answer {
    fn from_wire(word: u32) -> Option<Self> {
        Some(match word {
            1 => Self::Ready,
            2 => Self::Failed,
            3 => Self::Result,
            4 => Self::Raised,
            5 => Self::RestoreFailed,
            6 => Self::Piece,
            _ => return None,
        })
    }
}

/// The head of [`Ask::Load`].
#[derive(Debug, Serialize)]
pub(super) struct LoadHead<'a> {
    pub(super) handler: &'a str,
    pub(super) folder: &'a str,
}

/// The head of [`Ask::Invoke`] and [`Ask::Ping`].
#[derive(Debug, Serialize)]
pub(super) struct EventHead<'a> {
    pub(super) request_id: &'a str,
    pub(super) name: &'a str,
    pub(super) version: &'a str,
    pub(super) memory_mib: u32,
    pub(super) timeout_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client_context: Option<&'a str>,
    pub(super) result_limit: u64,
    /// A result may come in pieces.
    pub(super) pieces: bool,
    /// The machine has been thawed since the last event.
    pub(super) restored: bool,
}

/// The head of an answer.
#[derive(Debug, Default, Deserialize)]
pub(super) struct AnswerHead {
    #[serde(default)]
    pub(super) content_type: Option<String>,
}

/// What a process answered.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) answer: Answer,
    pub(super) head: AnswerHead,
    pub(super) body: Bytes,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum NoAnswer {
    /// The process has closed its side, or is about to be seen to have ended.
    Closed,
    /// It does not keep to the format; user code may write what it likes into our socket.
    Nonsense,
    /// The body is larger than was allowed.
    TooLarge,
}

impl From<io::Error> for NoAnswer {
    fn from(_: io::Error) -> Self {
        Self::Closed
    }
}

/// Writes a message as it goes over the socket.
pub(super) fn encode<T: Serialize>(ask: Ask, head: &T, body: &[u8]) -> io::Result<Bytes> {
    let head = serde_json::to_vec(head)?;
    let mut out = BytesMut::with_capacity(WORDS_BYTES + head.len() + body.len());
    for word in [ask as usize, head.len(), body.len()] {
        let word = u32::try_from(word).map_err(io::Error::other)?;
        out.put_slice(&word.to_ne_bytes());
    }
    out.put_slice(&head);
    out.put_slice(body);
    Ok(out.freeze())
}

/// Reads one answer whose body has at most `limit` bytes.
pub(super) async fn read_answer(
    from: &mut (impl AsyncRead + Unpin),
    limit: u64,
) -> Result<Said, NoAnswer> {
    let mut words = [0; WORDS_BYTES];
    from.read_exact(&mut words).await?;
    let [a, b, c, d, e, f, g, h, i, j, k, l] = words;
    let answer = Answer::from_wire(u32::from_ne_bytes([a, b, c, d])).ok_or(NoAnswer::Nonsense)?;
    let head_len = u32::from_ne_bytes([e, f, g, h]) as usize;
    let body_len = u32::from_ne_bytes([i, j, k, l]);
    if head_len > MAX_HEAD_BYTES {
        return Err(NoAnswer::Nonsense);
    }
    if u64::from(body_len) > limit {
        return Err(NoAnswer::TooLarge);
    }
    let mut bytes = vec![0; head_len + body_len as usize];
    from.read_exact(&mut bytes).await?;
    let mut bytes = Bytes::from(bytes);
    let head = bytes.split_to(head_len);
    let head = if head.is_empty() {
        AnswerHead::default()
    } else {
        serde_json::from_slice(&head).map_err(|_| NoAnswer::Nonsense)?
    };
    Ok(Said {
        answer,
        head,
        body: bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_beyond_the_limit_is_refused_before_it_arrives() {
        let mut wire = Vec::new();
        for word in [3_u32, 0, 11] {
            wire.extend_from_slice(&word.to_ne_bytes());
        }
        let refused = read_answer(&mut wire.as_slice(), 10).await;
        assert!(matches!(refused, Err(NoAnswer::TooLarge)));
        let cut = read_answer(&mut wire.as_slice(), 11).await;
        assert!(matches!(cut, Err(NoAnswer::Closed)));
    }
}
