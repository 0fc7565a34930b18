//! A program that runs: its lease, its input, its output.

use bytes::Bytes;
use thaw_runner::{
    RunningExec,
    node::{ExecError, ExecEvent, ExecInput},
};
use tokio::sync::mpsc;

/// Standard input is handed over in pieces of this size.
const STDIN_PIECE_BYTES: usize = 32 * 1024;

/// A program that runs. Dropping it ends the program, and releases a VM that was leased for it.
#[derive(Debug)]
pub(super) struct Run {
    running: RunningExec,
    feed: Feed,
}

/// What is left to do for standard input.
#[derive(Debug)]
enum Feed {
    Bytes(Bytes),
    End,
    Nothing,
}

impl Run {
    pub(super) fn new(running: RunningExec, stdin: Option<Bytes>) -> Self {
        let feed = match stdin {
            Some(bytes) if bytes.is_empty() => Feed::End,
            Some(bytes) => Feed::Bytes(bytes),
            None => Feed::Nothing,
        };
        Self { running, feed }
    }

    pub(super) fn running(&self) -> &RunningExec {
        &self.running
    }

    /// Waits for the next event, and feeds standard input meanwhile. `None` when the node lost the program
    /// without a word.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(super) async fn next(&mut self) -> Option<Result<ExecEvent, ExecError>> {
        let Self { running, feed } = self;
        let (input, output) = running.channels();
        loop {
            if matches!(feed, Feed::Nothing) {
                return output.recv().await;
            }
            tokio::select! {
                event = output.recv() => return event,
                fed = feed.next(input) => if !fed {
                    // The program has ended or reads no more; what it said is still to come.
                    *feed = Feed::Nothing;
                },
            }
        }
    }
}

impl Feed {
    /// Hands one piece over. False when nobody takes it.
    async fn next(&mut self, input: &mpsc::Sender<ExecInput>) -> bool {
        let Ok(place) = input.reserve().await else {
            return false;
        };
        match self {
            Self::Bytes(bytes) => {
                let piece = bytes.split_to(bytes.len().min(STDIN_PIECE_BYTES));
                place.send(ExecInput::Stdin(piece));
                if bytes.is_empty() {
                    *self = Self::End;
                }
            }
            Self::End => {
                place.send(ExecInput::StdinEnd);
                *self = Self::Nothing;
            }
            Self::Nothing => {}
        }
        true
    }
}
