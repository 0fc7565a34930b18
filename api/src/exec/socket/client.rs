//! The client's end of a socket: pinged while nothing is said to it, and parted from in peace.

use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use bytes::Bytes;
use futures::{
    SinkExt as _, StreamExt as _,
    stream::{SplitSink, SplitStream},
};
use thaw_runner::node::{ExecError, ExecEvent};
use tokio::{
    sync::mpsc,
    time::{Interval, MissedTickBehavior, interval, timeout},
};

/// How often something is said at least, so that nobody in between takes the connection for unused.
const BETWEEN_PINGS: Duration = Duration::from_secs(20);

/// How long a client has to close its side after the last message.
const FAREWELL: Duration = Duration::from_secs(1);

pub(crate) type Sink = SplitSink<WebSocket, Message>;
pub(crate) type Stream = SplitStream<WebSocket>;

/// The client has left.
#[derive(Debug)]
pub(crate) struct Gone;

/// When the next ping is due.
pub(crate) fn pings() -> Interval {
    let mut pings = interval(BETWEEN_PINGS);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pings
}

/// What comes out of a program next; its client is pinged meanwhile.
///
/// # Errors
/// When the client has left.
pub(crate) async fn next_event(
    output: &mut mpsc::Receiver<Result<ExecEvent, ExecError>>,
    pings: &mut Interval,
    sink: &mut Sink,
) -> Result<Option<Result<ExecEvent, ExecError>>, Gone> {
    loop {
        tokio::select! {
            event = output.recv() => return Ok(event),
            _ = pings.tick() => {
                let sent = sink.send(Message::Ping(Bytes::new())).await;
                sent.map_err(|_| Gone)?;
            }
        }
    }
}

/// Says what is to be said last. A client that has left is not told.
pub(crate) async fn part(
    mut sink: Sink,
    mut stream: Stream,
    last: impl IntoIterator<Item = Message>,
) {
    let farewell = async {
        for message in last {
            if sink.send(message).await.is_err() {
                return;
            }
        }
        // What it had already sent is read, else the network would throw the last message away.
        while let Some(Ok(_)) = stream.next().await {}
    };
    let _ = timeout(FAREWELL, farewell).await;
}
