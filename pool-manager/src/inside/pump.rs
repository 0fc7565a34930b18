//! Carries one operation's data between the caller and the guest.

use std::sync::Arc;

use thaw_vmm::{GuestError, Piece, RunInput, RunOutput, protocol::FailureKind};
use tokio::sync::mpsc;

use super::{GuestStream, StreamEvent, StreamInput};
use crate::{
    ExecError,
    exec::{PIECES, guest_error},
    lease::{Leased, Started},
};

/// Makes the caller's ends, and the future that serves them until the operation's end.
pub(crate) fn pump(
    leased: Arc<Leased>,
    started: Started,
) -> (GuestStream, impl Future<Output = ()> + Send) {
    let (input, inputs) = mpsc::channel(PIECES);
    let (events, output) = mpsc::channel(PIECES);
    let stream = GuestStream { input, output };
    (stream, serve(leased, started, inputs, events))
}

async fn serve(
    leased: Arc<Leased>,
    started: Started,
    inputs: mpsc::Receiver<StreamInput>,
    events: mpsc::Sender<Result<StreamEvent, ExecError>>,
) {
    let Started {
        input,
        mut output,
        permit,
        ..
    } = started;
    let last = tokio::select! {
        biased;
        () = events.closed() => None,
        last = drain(&mut output, &events) => last,
        () = feed(input, inputs) => None,
        () = leased.gone() => Some(Err(Ended::Refused(ExecError::Lost("it was released".to_owned())))),
    };
    // The operation's stream ends here, and with it whatever the agent still does for it.
    drop((output, permit));
    let event = match last {
        None => return,
        Some(Ok(done)) => Ok(done),
        Some(Err(Ended::Refused(error))) => Err(error),
        Some(Err(Ended::Broken(error))) => {
            let error = leased.explain(error).await;
            leased.end_now();
            Err(error)
        }
        Some(Err(Ended::Unfit(error))) => {
            leased.end_now();
            Err(error)
        }
    };
    // A caller that has left is not told.
    let _ = events.send(event).await;
}

/// How an operation ended otherwise than well.
enum Ended {
    /// The VM is well.
    Refused(ExecError),
    /// The connection is gone: most likely the VM ended.
    Broken(ExecError),
    /// The VM runs, but must not be used any more.
    Unfit(ExecError),
}

impl Ended {
    fn by(error: GuestError) -> Self {
        let broken = matches!(error, GuestError::Disconnected(_) | GuestError::Cut);
        match guest_error(error) {
            // What has not put its identity right must not run anything.
            error @ ExecError::Refused {
                kind: FailureKind::Wake,
                ..
            } => Self::Unfit(error),
            error @ ExecError::Refused { .. } => Self::Refused(error),
            error if broken => Self::Broken(error),
            error => Self::Unfit(error),
        }
    }
}

/// Until the last piece; none when the caller left.
async fn drain(
    output: &mut RunOutput,
    events: &mpsc::Sender<Result<StreamEvent, ExecError>>,
) -> Option<Result<StreamEvent, Ended>> {
    loop {
        let event = match output.next_piece().await {
            Ok(Piece::Done(reply)) => return Some(Ok(StreamEvent::Done(reply))),
            Ok(Piece::Begun(reply)) => StreamEvent::Begun(reply),
            Ok(Piece::Data(bytes)) => StreamEvent::Data(bytes),
            Ok(Piece::DataEnd) => StreamEvent::End,
            Err(error) => return Some(Err(Ended::by(error))),
        };
        events.send(Ok(event)).await.ok()?;
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
