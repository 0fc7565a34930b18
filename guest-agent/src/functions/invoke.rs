//! The invoke operation: one event, one result.

use bytes::{Bytes, BytesMut};
use thaw_guest_protocol::{
    DATA_CHUNK_BYTES, ExitStatus, FailureKind, FrameKind, GuestTimings, Invoke, Invoked, Outcome,
    ResultHead,
};
use tokio::time::Instant;

use super::{
    attend::{HostSide, Turn},
    command, http,
    lambda::{Piece, Pieces, Runtime, Told},
    loaded::{Loaded, Server},
    memory,
    message::{Answer, Ask, EventHead, NoAnswer, Said},
    resident::Talk,
};
use crate::{
    agent::Agent,
    exec::Limits,
    failure::OperationError,
    wire::{WireError, WireReader, WireWriter},
};

/// The largest event; the host's own limit is far below it.
const MAX_EVENT_BYTES: usize = 64 << 20;

/// What came of an event.
#[derive(Debug, Clone, Copy)]
pub(super) struct Served {
    pub(super) outcome: Outcome,
    /// Its log was cut.
    pub(super) truncated: bool,
    /// The function says that memory ran out.
    pub(super) out_of_memory: bool,
}

impl Served {
    pub(super) fn new(outcome: Outcome, truncated: bool) -> Self {
        Self {
            outcome,
            truncated,
            out_of_memory: false,
        }
    }
}

/// Gives the function an event; how it ended is sent as the last frame.
///
/// # Errors
/// See [`OperationError`]; nothing is loaded any more when the host went away in the middle.
pub(crate) async fn invoke(
    mut invoke: Invoke,
    wake_us: u64,
    agent: &Agent,
    mut input: WireReader,
    output: &mut WireWriter,
) -> Result<(), OperationError> {
    let mut held = agent.functions().hold()?;
    if held.is_none() {
        let message = "no function is loaded in this machine";
        return Err(OperationError::refused(FailureKind::BadRequest, message));
    }
    let began = Instant::now();
    let event = match invoke.event.take() {
        Some(text) => Bytes::from(text),
        None if held.as_ref().is_some_and(Loaded::is_http) => Bytes::new(),
        None => gather(&mut input).await?,
    };
    // Taken out, so that a function whose event is given up is not used again.
    let Some(mut loaded) = held.take() else {
        return Ok(());
    };
    // How a fresh clone's process ends is its first event's outcome.
    if !loaded.restored && !invoke.rehearsal && loaded.server.has_ended().await {
        let message = "the function's process ended after its last event";
        return Err(OperationError::refused(FailureKind::FunctionEnded, message));
    }
    let limits = Limits::new(Some(invoke.timeout_ms));
    let mut host = HostSide { input, output };
    let served = match &mut loaded.server {
        // A program, a runtime or a server would notice.
        Server::Command { .. } | Server::Lambda(_) | Server::Http { .. } if invoke.rehearsal => {
            Served::new(Outcome::Returned, false)
        }
        Server::Resident(_) => resident(&mut loaded, &invoke, &event, &mut host, limits).await?,
        Server::Command { argv } => {
            command::run(&loaded.load, argv, &invoke, event, agent, &mut host).await?
        }
        Server::Lambda(runtime) => {
            lambda(
                runtime,
                &loaded.load.name,
                &invoke,
                event,
                &mut host,
                limits,
            )
            .await?
        }
        Server::Http {
            process,
            port,
            after_restore,
        } => {
            let (mut event, mut failed) = (event, None);
            process.allow(invoke.log_limit_bytes);
            if let Some(path) = after_restore.as_ref().filter(|_| loaded.restored) {
                failed = http::restore(process, *port, path, &mut event, &mut host, limits).await?;
            }
            match failed {
                Some(outcome) => Served::new(outcome, process.is_truncated()),
                None => http::carry(process, *port, event, &mut host, limits).await?,
            }
        }
    };
    // What a function does after a thaw is still to be done when only the way was tried.
    loaded.restored &= invoke.rehearsal;
    // Where neither the clone's use nor the answer depends on it, the time is saved.
    let kills = match invoke.reuse || matches!(served.outcome, Outcome::Ended(_)) {
        true => memory::kills(),
        false => loaded.kills,
    };
    let invoked = Invoked {
        outcome: served.outcome,
        out_of_memory: served.out_of_memory || kills != loaded.kills,
        log_truncated: served.truncated,
        timings: GuestTimings {
            wake_us,
            spawn_us: 0,
            run_us: u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
        },
    };
    if invoked.is_fit() {
        *held = Some(loaded);
    } else {
        drop(loaded);
    }
    Ok(host.output.finish(FrameKind::Invoked, &invoked).await?)
}

impl Loaded {
    fn is_http(&self) -> bool {
        matches!(self.server, Server::Http { .. })
    }
}

/// The event out of the frames that follow the first.
async fn gather(input: &mut WireReader) -> Result<Bytes, OperationError> {
    let mut event = BytesMut::new();
    loop {
        let frame = input.next_frame().await?;
        match frame.kind {
            FrameKind::Stdin => event.extend_from_slice(&frame.payload),
            FrameKind::StdinEnd => return Ok(event.freeze()),
            _ => {}
        }
        if event.len() > MAX_EVENT_BYTES {
            let message = "the event is larger than 64 MiB";
            return Err(OperationError::refused(FailureKind::BadRequest, message));
        }
    }
}

async fn resident(
    loaded: &mut Loaded,
    invoke: &Invoke,
    event: &[u8],
    host: &mut HostSide<'_>,
    limits: Limits,
) -> Result<Served, OperationError> {
    let Server::Resident(resident) = &mut loaded.server else {
        return Ok(Served::new(Outcome::Ended(ExitStatus::Exited(1)), false));
    };
    let head = EventHead {
        request_id: &invoke.request_id,
        name: &loaded.load.name,
        version: &invoke.version,
        memory_mib: loaded.load.memory_mib,
        timeout_ms: invoke.timeout_ms,
        content_type: invoke.content_type.as_deref(),
        client_context: invoke.client_context.as_deref(),
        result_limit: invoke.result_limit_bytes,
        pieces: invoke.pieces,
        restored: loaded.restored && !invoke.rehearsal,
    };
    let ask = if invoke.rehearsal {
        Ask::Ping
    } else {
        Ask::Invoke
    };
    resident.process.allow(invoke.log_limit_bytes);
    let mut turn = resident.invoke(ask, &head, event, host, limits).await?;
    if matches!(turn, Turn::Heard(Err(NoAnswer::Closed))) {
        // Its socket is gone, so it is ending; how, it will say itself.
        let end = std::future::pending::<()>();
        turn = match resident.process.attend(host, limits, end).await? {
            Turn::Ended(status) => Turn::Ended(status),
            Turn::Heard(()) | Turn::TimedOut => Turn::TimedOut,
        };
    }
    let mut has_begun = false;
    let mut left = invoke.result_limit_bytes;
    while let Turn::Heard(Ok(Said {
        answer: Answer::Piece,
        head,
        body,
    })) = turn
    {
        if !has_begun {
            send_head(head.content_type, host.output)?;
            has_begun = true;
        }
        left = left.saturating_sub(body.len() as u64);
        send_pieces(&body, host.output).await?;
        turn = resident.next(left, host, limits).await?;
    }
    let out_of_memory = matches!(&turn, Turn::Heard(Ok(said)) if said.answer == Answer::Raised
        && memory::is_told(&said.body));
    let truncated = resident.process.is_truncated();
    Ok(Served {
        outcome: settle(turn, has_begun, host.output).await?,
        truncated,
        out_of_memory,
    })
}

/// Sends the result, if there is one and it has not been sent in pieces.
async fn settle(
    turn: Talk,
    has_begun: bool,
    output: &mut WireWriter,
) -> Result<Outcome, OperationError> {
    Ok(match turn {
        Turn::Heard(Ok(said)) => {
            let outcome = match said.answer {
                Answer::Result => Outcome::Returned,
                Answer::Raised => Outcome::Raised,
                Answer::RestoreFailed => Outcome::RestoreFailed,
                Answer::Ready | Answer::Failed | Answer::Piece => {
                    Outcome::Ended(ExitStatus::Exited(1))
                }
            };
            if !has_begun {
                let head = ResultHead {
                    content_type: said.head.content_type,
                    is_error: outcome != Outcome::Returned,
                };
                send_result(&head, &said.body, output).await?;
            }
            outcome
        }
        Turn::Heard(Err(NoAnswer::TooLarge)) => Outcome::ResultTooLarge,
        // User code has written into our socket, or closed it.
        Turn::Heard(Err(NoAnswer::Nonsense | NoAnswer::Closed)) => {
            Outcome::Ended(ExitStatus::Exited(1))
        }
        Turn::Ended(status) => Outcome::Ended(status),
        Turn::TimedOut => Outcome::TimedOut,
    })
}

async fn lambda(
    runtime: &mut Runtime,
    function: &str,
    invoke: &Invoke,
    event: Bytes,
    host: &mut HostSide<'_>,
    limits: Limits,
) -> Result<Served, OperationError> {
    let turn = runtime
        .invoke(function, invoke, event, host, limits)
        .await?;
    let json = || Some("application/json".to_owned());
    let out_of_memory = matches!(&turn, Turn::Heard(Told::Raised(error)) if memory::is_told(error));
    let (outcome, content_type, result) = match turn {
        Turn::Heard(Told::Begun {
            content_type,
            pieces,
        }) => return stream(runtime, content_type, pieces, host, limits).await,
        Turn::Heard(Told::Returned {
            content_type,
            result,
        }) => (Outcome::Returned, content_type, result),
        Turn::Heard(Told::Raised(error)) => (Outcome::Raised, json(), error),
        Turn::Heard(Told::RestoreFailed(error)) => (Outcome::RestoreFailed, json(), error),
        Turn::Heard(Told::TooLarge) => (Outcome::ResultTooLarge, None, Bytes::new()),
        Turn::Ended(status) => (Outcome::Ended(status), None, Bytes::new()),
        Turn::TimedOut => (Outcome::TimedOut, None, Bytes::new()),
    };
    match outcome {
        Outcome::Returned | Outcome::Raised | Outcome::RestoreFailed => {
            let head = ResultHead {
                content_type,
                is_error: outcome != Outcome::Returned,
            };
            send_result(&head, &result, host.output).await?;
        }
        Outcome::TimedOut | Outcome::Ended(_) | Outcome::ResultTooLarge => {}
    }
    Ok(Served {
        out_of_memory,
        ..Served::new(outcome, runtime.process.is_truncated())
    })
}

/// Hands on a runtime's result piece by piece.
async fn stream(
    runtime: &mut Runtime,
    content_type: Option<String>,
    mut pieces: Pieces,
    host: &mut HostSide<'_>,
    limits: Limits,
) -> Result<Served, OperationError> {
    send_head(content_type, host.output)?;
    let outcome = loop {
        match runtime.process.attend(host, limits, pieces.next()).await? {
            Turn::Heard(Piece::Data(bytes)) => send_pieces(&bytes, host.output).await?,
            Turn::Heard(Piece::End) => {
                pieces.accept();
                break Outcome::Returned;
            }
            Turn::Heard(Piece::BrokeOff(kind)) => {
                let line = format!("{kind}: the response broke off\n");
                host.output.data(FrameKind::Stderr, line.as_bytes())?;
                pieces.accept();
                break Outcome::Raised;
            }
            Turn::Heard(Piece::TooLarge) => {
                pieces.refuse();
                break Outcome::ResultTooLarge;
            }
            Turn::Ended(status) => break Outcome::Ended(status),
            Turn::TimedOut => break Outcome::TimedOut,
        }
    };
    Ok(Served::new(outcome, runtime.process.is_truncated()))
}

async fn send_result(
    head: &ResultHead,
    body: &[u8],
    output: &mut WireWriter,
) -> Result<(), WireError> {
    output.json(FrameKind::ResultHead, head)?;
    send_pieces(body, output).await
}

/// Says that a result begins that is no error.
pub(super) fn send_head(
    content_type: Option<String>,
    output: &mut WireWriter,
) -> Result<(), WireError> {
    output.json(
        FrameKind::ResultHead,
        &ResultHead {
            content_type,
            is_error: false,
        },
    )
}

async fn send_pieces(body: &[u8], output: &mut WireWriter) -> Result<(), WireError> {
    for chunk in body.chunks(DATA_CHUNK_BYTES) {
        output.data(FrameKind::Result, chunk)?;
        if !output.has_room() {
            output.drain().await?;
        }
    }
    Ok(())
}
