//! Data between a request or its answer and the guest.
//!
//! ```text
//! upload:   body ──piece by piece──► guest ──► Done | failure
//!    the body is cut off ──► the operation is dropped, and the guest takes back what it had begun
//! download: guest ──Begun──► head, ──Data*──► body ──Done──► its end
//!    a failure in the middle, or more than was promised ──► the body breaks off
//! ```

use std::{io, time::Duration};

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use thaw_runner::{
    RunningInside,
    node::{ExecError, StreamEvent, StreamInput, vmm::protocol::Reply},
};

use crate::{body::cut_off, error::ApiError, failure};

/// What of a refused upload is still read, so that its sender comes to read the answer.
const LINGER_BYTES: usize = 8 << 20;
/// How long that may take.
const LINGER: Duration = Duration::from_secs(1);

/// Hands a body to an operation and waits for its reply.
pub(super) async fn upload(mut running: RunningInside, body: Body) -> Result<Reply, ApiError> {
    let mut pieces = body.into_data_stream();
    match feed(&mut running, &mut pieces).await {
        Ok(reply) => Ok(reply),
        Err(Stopped::CutOff) => Err(cut_off()),
        Err(Stopped::Failed(error)) => {
            let _ = tokio::time::timeout(LINGER, linger(pieces)).await;
            Err(failure::exec(&error))
        }
    }
}

enum Stopped {
    CutOff,
    Failed(ExecError),
}

async fn feed(running: &mut RunningInside, pieces: &mut BodyDataStream) -> Result<Reply, Stopped> {
    let input = running.stream.input.clone();
    let send = async {
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|_| Stopped::CutOff)?;
            if input.send(StreamInput::Data(piece)).await.is_err() {
                break;
            }
        }
        // An operation that has ended says so itself.
        let _ = input.send(StreamInput::End).await;
        Ok(())
    };
    let mut receive = std::pin::pin!(done(running));
    tokio::select! {
        biased;
        reply = &mut receive => return reply,
        sent = send => sent?,
    }
    receive.await
}

async fn done(running: &mut RunningInside) -> Result<Reply, Stopped> {
    loop {
        match running.next().await {
            Ok(StreamEvent::Done(reply)) => return Ok(reply),
            Ok(_) => {}
            Err(error) => return Err(Stopped::Failed(error)),
        }
    }
}

async fn linger(mut pieces: BodyDataStream) {
    let mut read = 0;
    while let Some(Ok(piece)) = pieces.next().await {
        read += piece.len();
        if read > LINGER_BYTES {
            break;
        }
    }
}

/// Waits until the guest says that it can be done, and what follows.
pub(super) async fn begun(running: &mut RunningInside) -> Result<Reply, ApiError> {
    match running.next().await {
        Ok(StreamEvent::Begun(reply)) => Ok(reply),
        Ok(_) => Err(nonsense()),
        Err(error) => Err(failure::exec(&error)),
    }
}

/// The guest's data as a body, at most as much as was promised. Dropped early, the caller has hung up.
pub(super) fn download(running: RunningInside, promised: Option<u64>) -> Body {
    let state = Some((running, promised));
    Body::from_stream(stream::unfold(state, |state| async move {
        let (mut running, left) = state?;
        let (piece, left) = match running.next().await {
            Ok(StreamEvent::Data(bytes)) => within(left, bytes),
            Ok(StreamEvent::Done(_)) => return None,
            Ok(_) => (Err(io::ErrorKind::InvalidData.into()), left),
            Err(error) => {
                tracing::debug!(%error, "a download broke off");
                (Err(io::Error::other(error)), left)
            }
        };
        let next = piece.is_ok().then_some((running, left));
        Some((piece, next))
    }))
}

fn within(left: Option<u64>, bytes: Bytes) -> (io::Result<Bytes>, Option<u64>) {
    let Some(left) = left else {
        return (Ok(bytes), None);
    };
    match left.checked_sub(bytes.len() as u64) {
        Some(left) => (Ok(bytes), Some(left)),
        None => (Err(io::ErrorKind::InvalidData.into()), Some(0)),
    }
}

/// The guest's answer is of a kind that does not belong here.
pub(super) fn nonsense() -> ApiError {
    failure::exec(&ExecError::Lost(
        "its answer makes no sense here".to_owned(),
    ))
}
