//! The HTTP server that a runtime talks to.

use std::{convert::Infallible, io, net::Ipv4Addr};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
};

use super::{
    call::Call,
    reply::{Refusal, Reply},
};

/// Connections at once; more wait in the kernel's queue. A runtime needs one or two.
const CONNECTIONS: usize = 32;

/// Requests that wait to be taken; more connections wait then.
const CALLS: usize = 8;

/// The largest head of a request: the cause of an error may fill a header of 1 MiB.
const HEAD_BYTES: usize = 2 << 20;

/// The server of one function's runtime. Dropping it closes its connections.
#[derive(Debug)]
pub(super) struct Api {
    /// Where it listens, as `AWS_LAMBDA_RUNTIME_API` says it.
    pub(super) address: String,
    pub(super) calls: mpsc::Receiver<Call>,
    _server: JoinSet<()>,
}

impl Api {
    /// Listens on a port of the loopback that is free.
    pub(super) async fn listen() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?.to_string();
        let (sender, calls) = mpsc::channel(CALLS);
        let mut server = JoinSet::new();
        server.spawn(accept(listener, sender));
        Ok(Self {
            address,
            calls,
            _server: server,
        })
    }
}

async fn accept(listener: TcpListener, calls: mpsc::Sender<Call>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS => {
                // One that has gone before it was accepted is no loss.
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve(stream, calls.clone()));
                }
            }
        }
    }
}

async fn serve(stream: TcpStream, calls: mpsc::Sender<Call>) {
    // Without it answers would only come later.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let calls = calls.clone();
        async move { Ok::<_, Infallible>(answer(request, &calls).await) }
    });
    let mut server = http1::Builder::new();
    server.title_case_headers(true).max_buf_size(HEAD_BYTES);
    // A runtime that breaks the protocol sees its connection end.
    let _ = server.serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: Request<Incoming>, calls: &mpsc::Sender<Call>) -> Response<Full<Bytes>> {
    let reply = match Call::new(request) {
        Ok((call, answered)) => match calls.send(call).await {
            Ok(()) => answered.await.unwrap_or(Reply::Refused(Refusal::Ending)),
            Err(_) => Reply::Refused(Refusal::Ending),
        },
        Err(refusal) => Reply::Refused(refusal),
    };
    reply.into_response()
}
