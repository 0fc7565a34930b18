//! Functions that are a server: frozen once it listens, requests carried to its port as they are.

use std::{io, net::Ipv4Addr, time::Duration};

use bytes::{Buf as _, Bytes};
use thaw_guest_protocol::{
    DATA_CHUNK_BYTES, FailureKind, FrameKind, HttpHooks, LoadFunction, Outcome, PORT_VARIABLE,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::{
    attend::{HostSide, Process, Turn, lost, readable},
    http_hook::{self, HookError},
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

const BEFORE_SNAPSHOT: &str = "before_snapshot";
const AFTER_RESTORE: &str = "after_restore";

/// The kernel tells nobody that a socket has begun to listen, so that is asked for: often at first, and
/// never less often than this.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Starts the server and waits until it listens, and until it has closed what must not be frozen.
///
/// # Errors
/// Those of starting a program.
pub(super) async fn listen(
    load: &LoadFunction,
    argv: &[String],
    port: u16,
    hooks: &HttpHooks,
    agent: &Agent,
    host: &mut HostSide<'_>,
    limits: Limits,
) -> Result<Initialised, OperationError> {
    let env = [(PORT_VARIABLE.to_owned(), port.to_string())];
    let mut process = start(load, argv, &env, None, agent.children())?;
    let turn = process.attend(host, limits, until_listening(port)).await?;
    if !matches!(turn, Turn::Heard(())) {
        return Ok(Initialised::failed(&turn, &process));
    }
    if let Some(path) = &hooks.before_snapshot {
        let hook = http_hook::call(port, BEFORE_SNAPSHOT, path);
        let turn = process.attend(host, limits, hook).await?;
        match &turn {
            Turn::Heard(Ok(())) => {}
            Turn::Heard(Err(error)) => {
                complain(BEFORE_SNAPSHOT, path, error, host)?;
                return Ok(Initialised::failed(&turn, &process));
            }
            Turn::Ended(_) | Turn::TimedOut => return Ok(Initialised::failed(&turn, &process)),
        }
    }
    Ok(Initialised::Ready(Server::Http {
        process: Box::new(process),
        port,
        after_restore: hooks.after_restore.clone(),
    }))
}

/// Has the server put right what a clone must not share; how the event ends when it can't.
///
/// What the host sends meanwhile is the beginning of the request, and kept in `request`.
pub(super) async fn restore(
    process: &mut Process,
    port: u16,
    path: &str,
    request: &mut Bytes,
    host: &mut HostSide<'_>,
    limits: Limits,
) -> Result<Option<Outcome>, OperationError> {
    let hook = http_hook::call(port, AFTER_RESTORE, path);
    let turn = process.attend_keeping(host, limits, hook, Some(request));
    Ok(match turn.await? {
        Turn::Heard(Ok(())) => None,
        Turn::Heard(Err(error)) => {
            complain(AFTER_RESTORE, path, &error, host)?;
            Some(Outcome::RestoreFailed)
        }
        Turn::Ended(status) => Some(Outcome::Ended(status)),
        Turn::TimedOut => Some(Outcome::TimedOut),
    })
}

/// Says in the log what the server may not have said itself.
fn complain(
    hook: &str,
    path: &str,
    error: &HookError,
    host: &mut HostSide<'_>,
) -> Result<(), OperationError> {
    let line = format!("{hook} (POST {path}): {error}\n");
    Ok(host.output.data(FrameKind::Stderr, line.as_bytes())?)
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
    event: Bytes,
    host: &mut HostSide<'_>,
    limits: Limits,
) -> Result<Served, OperationError> {
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
