//! Taking over a byte stream whose other end is in the middle of another host's connection.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use thaw_guest_protocol::{Handover, HandoverScan};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A byte stream that begins with the word that was left for us, in both directions. What comes before it
/// was meant for another host and is thrown away, as it comes.
#[derive(Debug)]
pub(crate) struct TakeOver<T> {
    io: T,
    word: Handover,
    /// How much of the word has been sent.
    sent: usize,
    /// Until the other end has said the word.
    scan: Option<HandoverScan>,
}

impl<T> TakeOver<T> {
    pub(crate) fn new(io: T, word: Handover) -> Self {
        Self {
            io,
            scan: Some(HandoverScan::new(word.clone())),
            word,
            sent: 0,
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for TakeOver<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        while let Some(scan) = &mut this.scan {
            ready!(Pin::new(&mut this.io).poll_read(cx, buf))?;
            let fresh = &mut buf.filled_mut()[before..];
            if fresh.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let Some(at) = scan.feed(fresh) else {
                buf.set_filled(before);
                continue;
            };
            let left = fresh.len() - at;
            fresh.copy_within(at.., 0);
            buf.set_filled(before + left);
            this.scan = None;
            if left > 0 {
                return Poll::Ready(Ok(()));
            }
        }
        Pin::new(&mut this.io).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> TakeOver<T> {
    fn poll_word(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let left @ [_, ..] = &self.word.as_bytes()[self.sent..] {
            let sent = ready!(Pin::new(&mut self.io).poll_write(cx, left))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += sent;
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for TakeOver<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_word(cx))?;
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_word(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn what_was_meant_for_another_host_is_not_seen_and_the_word_goes_first() {
        let word = Handover::new(*b"the secret word!");
        for piece in 1..40 {
            let (ours, theirs) = tokio::io::duplex(piece);
            let (mut from, mut to) = tokio::io::split(theirs);
            let guest = async {
                let wire = [b"half a frame", word.as_bytes(), b"answer"].concat();
                to.write_all(&wire).await.unwrap();
                let mut heard = vec![0; 16 + 7];
                from.read_exact(&mut heard).await.unwrap();
                assert_eq!(heard, [word.as_bytes(), b"request"].concat());
            };
            let host = async {
                let (mut from, mut to) = tokio::io::split(TakeOver::new(ours, word.clone()));
                let mut answer = [0; 6];
                let (sent, read) =
                    tokio::join!(to.write_all(b"request"), from.read_exact(&mut answer));
                sent.and(read).unwrap();
                assert_eq!(answer, *b"answer");
            };
            tokio::join!(guest, host);
        }
    }

    #[tokio::test]
    async fn a_guest_that_ends_without_the_word_is_at_its_end() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        theirs.write_all(b"half a frame").await.unwrap();
        drop(theirs);
        let mut all = Vec::new();
        let mut host = TakeOver::new(ours, Handover::new(*b"the secret word!"));
        host.read_to_end(&mut all).await.unwrap();
        assert!(all.is_empty());
    }
}
