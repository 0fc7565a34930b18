//! What a guest says on its console.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::ring::Ring;

/// How much is kept, in bytes; what is older is thrown away.
const KEPT_BYTES: usize = 64 * 1024;

/// What a guest says on its console: the last 64 KiB of it. Cheap to clone; all clones are of one console, and what it
/// holds stays after the VMM's end.
#[derive(Debug, Clone)]
pub struct Console(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    ring: Mutex<Ring>,
    now: watch::Sender<Now>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Now {
    written: u64,
    ended: bool,
}

/// A part of what was said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConsolePart {
    /// The bytes; any bytes, for a guest may say what it likes.
    pub bytes: Vec<u8>,
    /// How many bytes were said before them.
    pub from: u64,
    /// How many bytes were said up to their end.
    pub to: u64,
    /// Nothing more comes.
    pub ended: bool,
}

impl Default for Console {
    fn default() -> Self {
        Self(Arc::new(Shared {
            ring: Mutex::new(Ring::new(KEPT_BYTES)),
            now: watch::Sender::default(),
        }))
    }
}

impl Console {
    /// What is kept, as text; bytes that are no UTF-8 are replaced.
    pub fn text(&self) -> String {
        self.ring().text()
    }

    /// What is kept of what was said after the first `from` bytes.
    pub fn since(&self, from: u64) -> ConsolePart {
        // In this order: what is said between the two lines is told by the next call.
        let ended = self.0.now.borrow().ended;
        let ring = self.ring();
        let (bytes, to) = (ring.since(from), ring.written());
        ConsolePart {
            from: to - bytes.len() as u64,
            bytes,
            to,
            ended,
        }
    }

    /// Waits until more than `from` bytes were said, or nothing more comes.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn beyond(&self, from: u64) {
        let mut now = self.0.now.subscribe();
        // The sender is ours, so it is there.
        let _ = now.wait_for(|now| now.ended || now.written > from).await;
    }

    pub(crate) fn push(&self, bytes: &[u8]) {
        let mut ring = self.ring();
        ring.push(bytes);
        let written = ring.written();
        drop(ring);
        self.0.now.send_modify(|now| now.written = written);
    }

    /// Nothing more comes.
    pub(crate) fn end(&self) {
        self.0.now.send_modify(|now| now.ended = true);
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        // Nothing in a push can panic half-way.
        self.0.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_follower_sees_what_was_said_and_what_is_said_next_and_the_end() {
        let console = Console::default();
        console.push(b"one ");
        let first = console.since(0);
        assert_eq!((first.bytes.as_slice(), first.ended), (&b"one "[..], false));
        let follower = console.clone();
        let (part, ()) = tokio::join!(
            async {
                follower.beyond(first.to).await;
                follower.since(first.to)
            },
            async { console.push(b"two") },
        );
        assert_eq!((part.bytes.as_slice(), part.from), (&b"two"[..], 4));
        console.end();
        console.beyond(part.to).await;
        assert!(console.since(part.to).ended);
    }

    #[test]
    fn a_follower_that_fell_behind_sees_what_it_missed() {
        let console = Console::default();
        console.push(&[b'x'; KEPT_BYTES]);
        console.push(b"new");
        let part = console.since(1);
        assert_eq!((part.from, part.to), (3, KEPT_BYTES as u64 + 3));
    }
}
