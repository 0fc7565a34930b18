//! Carries one operation's data between the caller and the guest.

use std::sync::Arc;

use thaw_vmm::{GuestError, Piece, RunInput, RunOutput, protocol::Reply};
use tokio::sync::mpsc;

use super::{GuestStream, StreamEvent, StreamInput};
use crate::{
    ExecTimings,
    lease::{Leased, Started},
    run::{Next, PIECES, Run, serve},
};

/// Makes the caller's ends, and the future that serves them until the operation's end.
pub(crate) fn pump(
    leased: Arc<Leased>,
    started: Started,
) -> (GuestStream, impl Future<Output = ()> + Send) {
    let (input, inputs) = mpsc::channel(PIECES);
    let (events, output) = mpsc::channel(PIECES);
    let stream = GuestStream { input, output };
    let Started {
        input: to_guest,
        output: from_guest,
        begun,
    } = started;
    let feed = feed(to_guest, inputs);
    (
        stream,
        serve(leased, begun, Operation(from_guest), feed, None, events),
    )
}

/// What an operation tells.
struct Operation(RunOutput);

impl Run for Operation {
    type Event = StreamEvent;
    type End = Reply;

    async fn next(&mut self) -> Result<Next<StreamEvent, Reply>, GuestError> {
        let event = match self.0.next_piece().await? {
            Piece::Done(reply) => return Ok(Next::End(reply)),
            Piece::Begun(reply) => StreamEvent::Begun(reply),
            Piece::Data(bytes) => StreamEvent::Data(bytes),
            Piece::DataEnd => StreamEvent::End,
        };
        Ok(Next::Event(event))
    }

    fn last(reply: Reply, _: ExecTimings) -> StreamEvent {
        StreamEvent::Done(reply)
    }
}

/// Forwards data for as long as the operation goes on; never returns, because the output says when it ended.
async fn feed(mut input: RunInput, mut inputs: mpsc::Receiver<StreamInput>) {
    while let Some(piece) = inputs.recv().await {
        let sent = match piece {
            StreamInput::Data(bytes) => input.data(&bytes).await,
            StreamInput::End => input.end_data().await,
        };
        // An operation that has ended, or a broken connection: the output says which.
        if sent.is_err() {
            break;
        }
    }
    std::future::pending().await
}
