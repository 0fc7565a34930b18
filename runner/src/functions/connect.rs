//! A connection to a function of kind http.

use std::{future::Future, time::Duration};

use bytes::{Bytes, BytesMut};
use thaw_pool_manager::StartKind;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf};

use super::{Functions, Invocation, InvokeError, RunningInvocation, gathered::Gathered};

/// What waits in each direction before the sender does.
const BUFFER_BYTES: usize = 64 * 1024;

/// How much is sent again where a clone was given a request and did not take it. Its refusal comes at once.
const MOST_SENT_AGAIN: usize = 1 << 20;

/// How long a function may take to close a connection that its caller has closed.
const FAREWELL: Duration = Duration::from_secs(2);

/// A connection to the function's port, as a stream of bytes. It ends with its caller's side, or with the
/// function's.
#[derive(Debug)]
pub struct Connected {
    /// The bytes.
    pub stream: DuplexStream,
    /// The version that serves it.
    pub version: u64,
    /// How its clone came to be.
    pub start: StartKind,
}

impl Functions {
    /// Connects to a function of kind http.
    ///
    /// # Errors
    /// See [`InvokeError`].
    pub async fn connect(&self, call: Invocation) -> Result<Connected, InvokeError> {
        let running = self.start(call.clone()).await?;
        let (ours, theirs) = tokio::io::duplex(BUFFER_BYTES);
        let connected = Connected {
            stream: theirs,
            version: running.version(),
            start: running.start_kind(),
        };
        let functions = self.clone();
        self.mind(async move { functions.carry(call, running, ours).await });
        Ok(connected)
    }

    /// Until the function's side ends, or the caller's and then, soon, the function's. What a clone did not take goes
    /// to the next.
    async fn carry(&self, call: Invocation, mut running: RunningInvocation, ours: DuplexStream) {
        let (mut from, mut to) = tokio::io::split(ours);
        // In case that it has to be sent again.
        let mut sent = Gathered::new(MOST_SENT_AGAIN);
        while let Carried::Untaken = carry_once(&mut running, &mut from, &mut to, &mut sent).await {
            running.forget();
            running = match self.start(call.clone()).await {
                Ok(next) if sent.whole().is_some() => next,
                _ => return,
            };
        }
    }

    /// Lets something go on that belongs to a request; it ends with the functions at the latest. What runs is
    /// bounded by the desk: each invocation has at most two.
    pub fn mind(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.0.stop.clone();
        self.0.tasks.spawn(async move {
            stop.run_until_cancelled(work).await;
        });
    }
}

/// What came of a connection.
enum Carried {
    Served,
    /// The function had ended before, and was given nothing.
    Untaken,
}

async fn carry_once(
    running: &mut RunningInvocation,
    from: &mut ReadHalf<DuplexStream>,
    to: &mut WriteHalf<DuplexStream>,
    sent: &mut Gathered,
) -> Carried {
    let input = running.input();
    let may_be_refused = running.start_kind() == StartKind::Reused;
    let inward = async {
        let again = Bytes::copy_from_slice(sent.whole().unwrap_or_default());
        if !again.is_empty() && input.send(again).await.is_err() {
            return std::future::pending().await;
        }
        let mut piece = BytesMut::with_capacity(BUFFER_BYTES);
        loop {
            piece.reserve(BUFFER_BYTES / 2);
            if read(from, &mut piece).await == 0 {
                break;
            }
            if may_be_refused {
                sent.take(&piece);
            }
            if input.send(piece.split().freeze()).await.is_err() {
                break;
            }
        }
        let _ = tokio::time::timeout(FAREWELL, std::future::pending::<()>()).await;
    };
    tokio::select! {
        carried = outward(running, to) => carried,
        () = inward => Carried::Served,
    }
}

async fn read(from: &mut ReadHalf<DuplexStream>, piece: &mut BytesMut) -> usize {
    from.read_buf(piece).await.unwrap_or(0)
}

/// What comes out goes to the caller for as long as there is one; the end is waited for in any case.
async fn outward(running: &mut RunningInvocation, to: &mut WriteHalf<DuplexStream>) -> Carried {
    if running.is_untaken().await {
        return Carried::Untaken;
    }
    let mut is_heard = true;
    while let Ok(Some(bytes)) = running.next().await {
        if is_heard && to.write_all(&bytes).await.is_err() {
            is_heard = false;
        }
    }
    let _ = to.shutdown().await;
    Carried::Served
}
