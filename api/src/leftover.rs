//! What is left of a request that was refused before all of it had come.
//!
//! A connection can't be used again while the last request's body is still on its way. A little of it is taken
//! and thrown away; where more is to come, the answer says that the connection closes. It is read on for a while then:
//! a client that is in the middle of sending would find the connection broken before it has read why.
//!
//! ```text
//! asked first, was not told to send ─► answer, close
//! the rest is small ─────────────────► answer, the connection goes on
//! more is to come ───────────────────► answer with `Connection: close`, while the rest is thrown away
//! ```

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, BodyDataStream, Bytes, HttpBody},
    extract::{Request, State},
    http::{HeaderValue, header},
    middleware::Next,
    response::Response,
};
use futures::StreamExt as _;
use hyper::body::{Frame, SizeHint};
use tokio::{sync::oneshot, time::timeout};

use crate::state::App;

/// As much is thrown away for the sake of a connection.
const DRAINED_BYTES: usize = 256 << 10;

/// And for so long.
const DRAINED_WITHIN: Duration = Duration::from_secs(1);

/// So long after the answer what still comes is thrown away.
const LINGERS: Duration = Duration::from_secs(5);

/// A body that hands on what is left of it when it is dropped.
struct Watched {
    body: Body,
    left: Option<oneshot::Sender<Left>>,
    /// Whether any of it was asked for: a client that asks first is told to send then.
    wanted: bool,
}

/// What is left of a body.
struct Left {
    body: Body,
    wanted: bool,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.wanted = true;
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if !matches!(frame, Poll::Pending | Poll::Ready(Some(Ok(_)))) {
            self.left = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(left) = self.left.take().filter(|_| !self.body.is_end_stream()) {
            // Nobody waits for it where the request was not refused.
            let body = std::mem::take(&mut self.body);
            let _ = left.send(Left {
                body,
                wanted: self.wanted,
            });
        }
    }
}

/// Sees to it that the connection of a refused request can be used again, or says that it can't.
pub(crate) async fn clear_away(State(app): State<App>, request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    // Whoever waits for leave to send must not be given it for nothing.
    let asks_first = request.headers().contains_key(header::EXPECT);
    let (left, mut found) = oneshot::channel();
    let left = Some(left);
    let request = request.map(|body| {
        Body::new(Watched {
            body,
            left,
            wanted: false,
        })
    });
    let mut response = next.run(request).await;
    let refused = response.status().is_client_error() || response.status().is_server_error();
    let Some(Left { body, wanted }) = found.try_recv().ok().filter(|_| refused) else {
        return response;
    };
    let mut rest = body.into_data_stream();
    if asks_first && !wanted {
        // Reading it would tell the client to send it.
        drop(rest);
    } else if ends_soon(&mut rest).await {
        return response;
    } else {
        app.leftovers.spawn(timeout(LINGERS, async move {
            while let Some(Ok(_)) = rest.next().await {}
        }));
    }
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    response
}

async fn ends_soon(pieces: &mut BodyDataStream) -> bool {
    let draining = async {
        let mut drained = 0;
        while let Some(piece) = pieces.next().await {
            drained += piece.map_or(DRAINED_BYTES, |piece| piece.len());
            if drained >= DRAINED_BYTES {
                return false;
            }
        }
        true
    };
    timeout(DRAINED_WITHIN, draining).await.unwrap_or(false)
}
