//! A connection to a function of kind http.

use std::{future::Future, time::Duration};

use bytes::BytesMut;
use thaw_pool_manager::StartKind;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf};

use super::{Functions, Invocation, InvokeError, RunningInvocation};

/// What waits in each direction before the sender does.
const BUFFER_BYTES: usize = 64 * 1024;

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
        let running = self.start(call).await?;
        let (ours, theirs) = tokio::io::duplex(BUFFER_BYTES);
        let connected = Connected {
            stream: theirs,
            version: running.version(),
            start: running.start_kind(),
        };
        self.mind(carry(running, ours));
        Ok(connected)
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

/// Until the function's side ends, or the caller's and then, soon, the function's.
async fn carry(mut running: RunningInvocation, ours: DuplexStream) {
    let (mut from, mut to) = tokio::io::split(ours);
    let input = running.input();
    let inward = async {
        let mut piece = BytesMut::with_capacity(BUFFER_BYTES);
        loop {
            piece.reserve(BUFFER_BYTES / 2);
            match read(&mut from, &mut piece).await {
                0 => break,
                _ if input.send(piece.split().freeze()).await.is_err() => break,
                _ => {}
            }
        }
        let _ = tokio::time::timeout(FAREWELL, std::future::pending::<()>()).await;
    };
    tokio::select! {
        () = outward(&mut running, &mut to) => {}
        () = inward => {}
    }
}

async fn read(from: &mut ReadHalf<DuplexStream>, piece: &mut BytesMut) -> usize {
    from.read_buf(piece).await.unwrap_or(0)
}

/// What comes out goes to the caller for as long as there is one; the end is waited for in any case.
async fn outward(running: &mut RunningInvocation, to: &mut WriteHalf<DuplexStream>) {
    let mut is_heard = true;
    while let Ok(Some(bytes)) = running.next().await {
        if is_heard && to.write_all(&bytes).await.is_err() {
            is_heard = false;
        }
    }
    let _ = to.shutdown().await;
}
