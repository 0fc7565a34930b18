//! One connection of the host: streams come in, operations run, until the host closes it.

use std::{future::poll_fn, io};

use futures::io::{BufReader, BufWriter};
use thaw_guest_protocol::DATA_CHUNK_BYTES;
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::JoinSet,
};
use tokio_util::compat::TokioAsyncReadCompatExt as _;
use yamux::{Config, Connection, ConnectionError, Mode};

use crate::{agent::Agent, exec::LastWill, operation::operate};

/// The streams that the host may open at once. Those beyond the agent's own bound are answered with
/// a failure; a host that opens more than this breaks the connection.
const MAX_STREAMS: usize = 512;

/// What every stream may have on its way towards the agent (yamux's own starting window).
const WINDOW_BYTES: usize = 256 * 1024;

/// Room for a header and a chunk of data, so that both travel as one write.
const WRITE_BYTES: usize = DATA_CHUNK_BYTES + 1024;

/// Several small frames arrive with one read.
const READ_BYTES: usize = 16 * 1024;

/// A connection that ended otherwise than by being closed.
#[derive(Debug, Error)]
pub enum SessionError {
    /// The bytes stopped flowing.
    #[error("the connection to the host broke")]
    Io(#[source] io::Error),
    /// The host does not speak the multiplexer's language.
    #[error("the host broke the multiplexing protocol")]
    Protocol(#[source] ConnectionError),
}

/// Answers the host until it closes the connection. Operations that still run are ended then; the
/// programs of a guest at rest are kept, because this guest is another one than that which began them.
///
/// # Errors
/// See [`SessionError`]; the agent is ready for the next connection in any case.
///
/// # Cancel safety
/// Dropping it is the same as the host closing the connection.
pub async fn serve<T>(io: T, agent: Agent) -> Result<(), SessionError>
where
    T: AsyncRead + AsyncWrite + Send + Unpin,
{
    let io = BufWriter::with_capacity(WRITE_BYTES, io.compat());
    let io = BufReader::with_capacity(READ_BYTES, io);
    let mut config = Config::default();
    config.set_max_num_streams(MAX_STREAMS);
    config.set_max_connection_receive_window(Some(MAX_STREAMS * WINDOW_BYTES));
    config.set_split_send_size(DATA_CHUNK_BYTES);
    let mut connection = Connection::new(io, config, Mode::Server);
    let mut operations = JoinSet::new();
    // Dropped before the operations are.
    let ending = Ending {
        agent: agent.clone(),
        will: LastWill::default(),
    };
    loop {
        tokio::select! {
            biased;
            stream = poll_fn(|cx| connection.poll_next_inbound(cx)) => match stream {
                Some(Ok(stream)) => {
                    operations.spawn(operate(stream, agent.clone(), ending.will.clone()));
                }
                Some(Err(ConnectionError::Io(source))) => return Err(SessionError::Io(source)),
                Some(Err(ConnectionError::Closed)) | None => return Ok(()),
                Some(Err(source)) => return Err(SessionError::Protocol(source)),
            },
            // Ended operations leave the set; there is nothing to learn from them.
            Some(_) = operations.join_next() => {}
        }
    }
}

/// Decides at the end of a session what becomes of its programs.
struct Ending {
    agent: Agent,
    will: LastWill,
}

impl Drop for Ending {
    fn drop(&mut self) {
        if self.agent.rest().is_at_rest() {
            self.will.keep();
        }
    }
}
