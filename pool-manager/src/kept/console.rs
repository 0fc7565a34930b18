//! What VMs say on their consoles, for those who follow it.

use bytes::Bytes;
use thaw_vmm::{Console, ConsolePart};
use tokio::sync::mpsc;

use super::KeptVms;
use crate::{ConsolePiece, ConsoleStream, LeaseId, VmError};

/// Pieces that wait for one reader; what it is too slow for is missed.
const PIECES: usize = 4;

impl KeptVms {
    pub(crate) fn console(&self, id: &LeaseId, follow: bool) -> Result<ConsoleStream, VmError> {
        let Some(console) = self.vm(id)?.console() else {
            return Ok(ConsoleStream {
                said: piece(&ConsolePart::default(), 0),
                more: None,
            });
        };
        let part = console.since(0);
        let more = follow.then(|| {
            let (sender, more) = mpsc::channel(PIECES);
            let stop = self.0.stop.clone();
            let from = part.to;
            self.0.setup.tracker.spawn(async move {
                stop.run_until_cancelled(forward(&console, from, sender))
                    .await;
            });
            more
        });
        Ok(ConsoleStream {
            said: piece(&part, 0),
            more,
        })
    }
}

/// Until the console's end, or the reader's.
async fn forward(console: &Console, mut from: u64, sender: mpsc::Sender<ConsolePiece>) {
    loop {
        tokio::select! {
            () = sender.closed() => return,
            () = console.beyond(from) => {}
        }
        let part = console.since(from);
        if part.to > from {
            let piece = piece(&part, from);
            from = part.to;
            if sender.send(piece).await.is_err() {
                return;
            }
        } else if part.ended {
            return;
        }
    }
}

fn piece(part: &ConsolePart, from: u64) -> ConsolePiece {
    ConsolePiece {
        missed_bytes: part.from.saturating_sub(from),
        bytes: Bytes::copy_from_slice(&part.bytes),
    }
}
