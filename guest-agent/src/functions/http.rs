//! Functions that are a server: frozen once it listens, requests carried to its port as they are.

use std::{io, net::Ipv4Addr, time::Duration};

use bytes::{Buf as _, Bytes};
use thaw_guest_protocol::{
    DATA_CHUNK_BYTES, FailureKind, FrameKind, Invoke, LoadFunction, Outcome, PORT_VARIABLE,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::{
    attend::{HostSide, Process, Turn, lost, readable},
    invoke::Served,
    load::Initialised,
    loaded::Server,
    starting::start,
};
use crate::{
    agent::Agent,
    exec::{Limits, scratch},
    failure::OperationError,
};

/// The kernel tells nobody that a socket has begun to listen, so that is asked for: often at first, and
/// never less often than this.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Starts the server and waits until it listens.
///
/// # Errors
/// Those of starting a program.
pub(super) async fn listen(
    load: &LoadFunction,
    argv: &[String],
    port: u16,
    agent: &Agent,
    host: &mut HostSide<'_>,
    limits: Limits,
) -> Result<Initialised, OperationError> {
    let env = [(PORT_VARIABLE.to_owned(), port.to_string())];
    let mut process = start(load, argv, &env, None, agent.children())?;
    let turn = process.attend(host, limits, until_listening(port)).await?;
    Ok(match turn {
        Turn::Heard(()) => {
            let process = Box::new(process);
            Initialised::Ready(Server::Http { process, port })
        }
        Turn::Ended(_) | Turn::TimedOut => Initialised::failed(&turn, &process),
    })
}

async fn until_listening(port: u16) {
    let mut pause = Duration::from_millis(1);
    while connect(port).await.is_err() {
        let _ = timeout(pause, std::future::pending::<()>()).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn connect(port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Carries one connection: what the host sends goes to the port, what comes back is the result.
///
/// # Errors
/// When the server takes no connection, or the host went away.
pub(super) async fn carry(
    process: &mut Process,
    port: u16,
    invoke: &Invoke,
    event: Bytes,
    host: &mut HostSide<'_>,
    limits: Limits,
) -> Result<Served, OperationError> {
    process.allow(invoke.log_limit_bytes);
    let mut stream = connect(port).await.map_err(|error| {
        OperationError::refused(
            FailureKind::System,
            format!("connect to the function's port {port}: {error}"),
        )
    })?;
    let (mut from, mut to) = stream.split();
    let (mut waiting, mut back) = (event, vec![0; DATA_CHUNK_BYTES]);
    let mut scratch = scratch();
    let outcome = loop {
        let streams = &mut process.streams;
        let room = host.output.has_room();
        tokio::select! {
            biased;
            () = limits.reached() => break Outcome::TimedOut,
            frame = host.input.next_frame(), if waiting.is_empty() => {
                let frame = frame?;
                if frame.kind == FrameKind::Stdin {
                    waiting = frame.payload;
                }
            }
            sent = host.output.drain(), if host.output.is_pending() => sent?,
            status = process.child.wait() => break Outcome::Ended(status.map_err(lost)?),
            written = to.write(&waiting), if !waiting.is_empty() => match written {
                Ok(bytes) => waiting.advance(bytes),
                // It may have answered and closed; what it said is still to come.
                Err(_) => waiting.clear(),
            },
            got = from.read(&mut back), if room => match got {
                Ok(0) | Err(_) => break Outcome::Returned,
                Ok(bytes) => host.output.data(FrameKind::Result, &back[..bytes])?,
            },
            () = streams.stdout.readable(), if room => {
                streams.stdout.forward(&mut scratch, host.output)?;
            }
            () = readable(streams.stderr.as_ref()), if room => {
                if let Some(stderr) = &mut streams.stderr {
                    stderr.forward(&mut scratch, host.output)?;
                }
            }
        }
    };
    process.forward_rest(&mut scratch, host.output)?;
    Ok(Served::new(outcome, process.is_truncated()))
}
