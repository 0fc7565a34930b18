//! The multiplexed connection: one task drives it, others ask that task for streams.

use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    io,
    task::{Context, Poll},
};

use futures::io::BufWriter;
use thaw_guest_protocol::{FrameKind, Opening, Reply};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{mpsc, oneshot},
    task::JoinSet,
};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};
use yamux::{Config, Connection, ConnectionError, Mode, Stream};

use super::{
    GuestError,
    run::{RunInput, RunOutput, start},
};

/// How many requests for a stream may wait; the next one fails with [`GuestError::TooManyStreams`].
const WAITING_OPENS: usize = 256;

type OpenReply = oneshot::Sender<Result<Stream, ConnectionError>>;

/// The connection to the agent of one guest. Dropping it closes the connection, which ends every
/// operation in the guest.
#[derive(Debug)]
pub struct GuestConnection {
    opens: mpsc::Sender<OpenReply>,
    driver: JoinSet<()>,
}

impl GuestConnection {
    /// Takes a byte stream whose other end is, or will be, read by an agent.
    pub fn new<T>(io: T) -> Self
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        Self::connecting(std::future::ready(Ok(io)))
    }

    /// Takes a byte stream that is still being connected; requests wait for it.
    pub(crate) fn connecting<T, F>(io: F) -> Self
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        F: Future<Output = io::Result<T>> + Send + 'static,
    {
        let (opens, requests) = mpsc::channel(WAITING_OPENS);
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            match io.await {
                Ok(io) => drive(multiplex(io), requests).await,
                Err(error) => tracing::debug!(%error, "could not reach a guest"),
            }
        });
        Self { opens, driver }
    }

    /// Stands for a connection that is still being tried out; requests wait for it.
    pub(crate) fn relayed<F>(trying: F) -> Self
    where
        F: Future<Output = Option<Self>> + Send + 'static,
    {
        let (opens, mut requests) = mpsc::channel::<OpenReply>(WAITING_OPENS);
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            let Some(connection) = trying.await else {
                return;
            };
            while let Some(request) = requests.recv().await {
                // Whoever asked learns of it by the request being dropped.
                if connection.opens.send(request).await.is_err() {
                    return;
                }
            }
        });
        Self { opens, driver }
    }

    /// Does an operation that runs no program.
    ///
    /// # Errors
    /// See [`GuestError`].
    pub async fn call(&self, opening: &Opening) -> Result<Reply, GuestError> {
        let (_input, mut output) = start(self.stream().await?, opening).await?;
        let frame = output.next_frame().await?;
        match frame.kind {
            FrameKind::Reply => Ok(frame.json()?),
            FrameKind::Failed => Err(GuestError::Failed(frame.json()?)),
            other => Err(GuestError::Unexpected(other)),
        }
    }

    /// Starts a program or a code run. The request is on its way when this returns, whether or not
    /// the guest runs yet.
    ///
    /// Dropping both halves ends the program.
    ///
    /// # Errors
    /// See [`GuestError`].
    pub async fn run(&self, opening: &Opening) -> Result<(RunInput, RunOutput), GuestError> {
        start(self.stream().await?, opening).await
    }

    /// Closes the connection; every operation under way ends with [`GuestError::Disconnected`].
    pub(crate) fn close(&mut self) {
        self.driver.abort_all();
    }

    async fn stream(&self) -> Result<Stream, GuestError> {
        let (reply, stream) = oneshot::channel();
        self.opens.try_send(reply).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => GuestError::TooManyStreams,
            mpsc::error::TrySendError::Closed(_) => gone(),
        })?;
        stream
            .await
            .map_err(|_| gone())?
            .map_err(|error| match error {
                ConnectionError::TooManyStreams => GuestError::TooManyStreams,
                other => GuestError::Disconnected(io::Error::other(other)),
            })
    }
}

fn multiplex<T>(io: T) -> Connection<BufWriter<Compat<T>>>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    // A frame is a header and a body; buffered, the two reach the guest as one message.
    let io = BufWriter::with_capacity(64 * 1024, io.compat());
    let mut config = Config::default();
    config.set_split_send_size(thaw_guest_protocol::DATA_CHUNK_BYTES);
    Connection::new(io, config, Mode::Client)
}

fn gone() -> GuestError {
    GuestError::Disconnected(io::ErrorKind::NotConnected.into())
}

/// Runs the connection until it ends or nobody holds it any more.
async fn drive<T>(
    mut connection: Connection<BufWriter<Compat<T>>>,
    mut requests: mpsc::Receiver<OpenReply>,
) where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut waiting = VecDeque::with_capacity(8);
    let end = poll_fn(|cx| poll_drive(cx, &mut connection, &mut requests, &mut waiting)).await;
    if let Some(error) = end {
        tracing::debug!(%error, "guest connection ended");
    }
}

fn poll_drive<T>(
    cx: &mut Context<'_>,
    connection: &mut Connection<BufWriter<Compat<T>>>,
    requests: &mut mpsc::Receiver<OpenReply>,
    waiting: &mut VecDeque<OpenReply>,
) -> Poll<Option<ConnectionError>>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    while waiting.len() < WAITING_OPENS {
        match requests.poll_recv(cx) {
            Poll::Ready(Some(reply)) => waiting.push_back(reply),
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => break,
        }
    }
    while !waiting.is_empty() {
        let Poll::Ready(stream) = connection.poll_new_outbound(cx) else {
            break;
        };
        if let Some(reply) = waiting.pop_front() {
            // The caller may have given up; the stream is reset when it is dropped.
            let _ = reply.send(stream);
        }
    }
    loop {
        match connection.poll_next_inbound(cx) {
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(error)),
            // Guests open no streams; dropping it resets it.
            Poll::Ready(Some(Ok(_refused))) => {}
            Poll::Pending => return Poll::Pending,
        }
    }
}
