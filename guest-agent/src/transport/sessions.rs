//! Tells two sessions apart on a byte stream that does not.
//!
//! A host that closes the port and comes back before the guest has run in between, as happens
//! around every freeze, is not seen to have been away. But its multiplexer starts over: stream 1 is
//! opened a second time. There the old session ends and the next one begins, with that very frame.
//!
//! A copy of a running machine has half a session in its memory, cut in the middle of a frame. Its host begins
//! with the word that was left for it: everything before that is void, everything after it is the next session.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use thaw_guest_protocol::{Handover, HandoverScan};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};

use crate::agent::Agent;

/// Frame header of the yamux specification: version, type, flags (2), stream (4), length (4), big endian.
const HEADER_BYTES: usize = 12;
const TYPE_DATA: u8 = 0;
const FLAG_SYN: u8 = 1;
const FIRST_STREAM: [u8; 4] = [0, 0, 0, 1];

/// A byte stream that ends where the next session begins.
#[derive(Debug)]
pub(super) struct Sessions<T> {
    io: T,
    agent: Agent,
    scan: Scan,
    /// Looks for the word of the next host, while there is one.
    takeover: Option<HandoverScan>,
    /// What has been read of the next session, and how much of it has been given out; at most one
    /// read of the multiplexer and one header.
    begun: Vec<u8>,
    given: usize,
    ended: bool,
    /// Another host has taken over, which is to be told so.
    taken_over: Option<Handover>,
}

impl<T> Sessions<T> {
    pub(super) fn new(io: T, agent: Agent) -> Self {
        Self {
            io,
            agent,
            takeover: None,
            taken_over: None,
            scan: Scan::default(),
            begun: Vec::new(),
            given: 0,
            ended: false,
        }
    }

    /// Where the bytes behind the next host's word begin, if they do here.
    fn word_in(&mut self, fresh: &[u8]) -> Option<(usize, Handover)> {
        let word = self.agent.rest().handover()?;
        if self
            .takeover
            .as_ref()
            .is_none_or(|scan| *scan.word() != word)
        {
            self.takeover = Some(HandoverScan::new(word.clone()));
        }
        let at = self.takeover.as_mut()?.feed(fresh)?;
        self.takeover = None;
        Some((at, word))
    }

    /// Cuts what was just read where a new session begins in it.
    fn cut(&mut self, buf: &mut ReadBuf<'_>, before: usize) {
        let fresh = &buf.filled()[before..];
        if let Some((at, word)) = self.word_in(fresh) {
            let mut begun = fresh[at..].to_vec();
            begun.extend_from_slice(&self.begun[self.given..]);
            (self.begun, self.given) = (begun, 0);
            (self.ended, self.taken_over) = (true, Some(word));
            buf.set_filled(before);
            return;
        }
        let fresh = &buf.filled()[before..];
        let Some(at) = self.scan.feed(fresh) else {
            return;
        };
        let mut begun = self.scan.header.to_vec();
        begun.extend_from_slice(&fresh[at..]);
        begun.extend_from_slice(&self.begun[self.given..]);
        (self.begun, self.given) = (begun, 0);
        self.ended = true;
        // Parts of the header may be out already; the end that follows makes them void.
        buf.set_filled(before + at.saturating_sub(HEADER_BYTES));
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Sessions<T> {
    /// Goes on with the next session, if the last one ended because that one begins, or if another host takes
    /// over. False when the host is gone.
    pub(super) async fn next_session(&mut self) -> bool {
        if !self.ended && self.agent.rest().handover().is_some() {
            self.seek().await;
        }
        if let Some(word) = self.taken_over.take()
            && self.io.write_all(word.as_bytes()).await.is_err()
        {
            return false;
        }
        self.scan = Scan::default();
        std::mem::take(&mut self.ended)
    }

    /// Throws away what belongs to nobody any more. The word itself, cut in two, may have broken the last session.
    async fn seek(&mut self) {
        let mut void = [0; 4096];
        // The end of what can be read is the beginning of the next session, or the host's end.
        while matches!(self.read(&mut void).await, Ok(1..)) {}
    }
}

/// Follows the frames of one session.
#[derive(Debug, Default)]
struct Scan {
    header: [u8; HEADER_BYTES],
    filled: usize,
    body_left: usize,
    seen_first: bool,
}

impl Scan {
    /// Returns where the bytes after a header lie that belongs to another session.
    fn feed(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while at < bytes.len() {
            if self.body_left > 0 {
                let skipped = self.body_left.min(bytes.len() - at);
                self.body_left -= skipped;
                at += skipped;
                continue;
            }
            self.header[self.filled] = bytes[at];
            self.filled += 1;
            at += 1;
            if self.filled == HEADER_BYTES && self.is_another_session() {
                return Some(at);
            }
        }
        None
    }

    fn is_another_session(&mut self) -> bool {
        self.filled = 0;
        let [_, kind, _, flags, stream @ .., a, b, c, d] = self.header;
        if kind == TYPE_DATA {
            self.body_left = u32::from_be_bytes([a, b, c, d]) as usize;
        }
        let first = stream == FIRST_STREAM && flags & FLAG_SYN != 0;
        let again = first && self.seen_first;
        self.seen_first |= first;
        again
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Sessions<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ended {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        if self.given < self.begun.len() {
            let piece = buf.remaining().min(self.begun.len() - self.given);
            buf.put_slice(&self.begun[self.given..self.given + piece]);
            self.given += piece;
        } else {
            ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        }
        self.cut(buf, before);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Sessions<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Handle;

    use super::*;
    use crate::agent::Powers;

    fn frame(kind: u8, flags: u8, stream: u8, body: &[u8]) -> Vec<u8> {
        let mut frame = vec![
            0,
            kind,
            0,
            flags,
            0,
            0,
            0,
            stream,
            0,
            0,
            0,
            body.len() as u8,
        ];
        frame.extend_from_slice(body);
        frame
    }

    fn visitor() -> Agent {
        Agent::new(Powers::Visitor, Handle::current())
    }

    #[tokio::test]
    async fn a_host_that_knows_the_word_takes_over_wherever_the_last_session_was_cut() {
        let word = Handover::new(*b"the secret word!");
        let session = [frame(0, 1, 1, b"request"), frame(0, 0, 1, b"input")].concat();
        let next = frame(0, 1, 1, b"continue");
        for cut in 0..session.len() {
            for piece in [1, 7, 100] {
                let agent = visitor();
                agent.rest().quiesce(Some(word.clone())).await.unwrap();
                let (host, port) = tokio::io::duplex(piece);
                let (mut from, mut to) = tokio::io::split(host);
                let mut sessions = Sessions::new(port, agent);
                let wire = [&session[..cut], word.as_bytes(), &next].concat();
                let talk = async {
                    let mut echo = [0; 16];
                    let (written, read) =
                        tokio::join!(to.write_all(&wire), from.read_exact(&mut echo));
                    written.and(read).unwrap();
                    assert_eq!(echo, *word.as_bytes());
                    drop((from, to));
                };
                let listen = async {
                    // A session that is broken before the word is whole ends by itself.
                    let mut some = vec![0; cut.min(3)];
                    sessions.read_exact(&mut some).await.unwrap();
                    assert!(sessions.next_session().await);
                    let mut got = Vec::new();
                    sessions.read_to_end(&mut got).await.unwrap();
                    assert_eq!(got, next);
                    assert!(!sessions.next_session().await);
                };
                tokio::join!(talk, listen);
            }
        }
    }

    #[tokio::test]
    async fn a_first_stream_that_is_opened_again_begins_the_next_session() {
        // The body looks like the opening of a stream; it is none.
        let opening = frame(0, 1, 1, &frame(0, 1, 1, b""));
        let session = [opening.clone(), frame(1, 0, 1, b""), frame(0, 1, 3, b"x")].concat();
        let wire = [session.clone(), session.clone(), session.clone()].concat();
        for piece in 1..=wire.len() {
            let (mut host, agent) = tokio::io::duplex(piece);
            let mut sessions = Sessions::new(agent, visitor());
            let write = async {
                host.write_all(&wire).await.unwrap();
                drop(host);
            };
            let read = async {
                for round in 0..3 {
                    let mut got = Vec::new();
                    sessions.read_to_end(&mut got).await.unwrap();
                    assert_eq!(&got[..session.len()], &session[..], "{piece} {round}");
                    assert!(got.len() < session.len() + HEADER_BYTES);
                    assert_eq!(sessions.next_session().await, round < 2);
                }
            };
            tokio::join!(write, read);
        }
    }
}
