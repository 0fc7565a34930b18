//! The load operation: code in place, process started, handler loaded, everything warm.

use thaw_guest_protocol::{
    Exit, ExitStatus, FailureKind, FrameKind, FunctionKind, GuestTimings, LoadFunction,
};
use tokio::time::Instant;

use super::{
    attend::{HostSide, Process, Turn},
    code_folder::unpack,
    command, http, lambda,
    loaded::{Loaded, Server},
    memory,
    message::Answer,
    resident::{Resident, Runtime, Talk},
};
use crate::{
    agent::{Agent, Powers},
    boot::write_back,
    exec::Limits,
    failure::OperationError,
    wake::set_clock_back,
    wire::{WireReader, WireWriter},
};

/// How often the paths of an event are taken before the freeze: compiled and translated code must be in place.
const ROUNDS: usize = 3;

/// Loads a function; the exit is sent as the last frame, 0 when it is ready to be frozen.
///
/// # Errors
/// See [`OperationError`]; nothing is loaded then.
pub(crate) async fn load(
    load: LoadFunction,
    agent: &Agent,
    mut input: WireReader,
    output: &mut WireWriter,
) -> Result<(), OperationError> {
    let mut held = agent.functions().hold()?;
    if held.is_some() {
        let message = "a function is loaded in this machine already";
        return Err(OperationError::refused(FailureKind::BadRequest, message));
    }
    unpack(&load.folder, &mut input).await?;
    if agent.powers() == Powers::Guest {
        set_clock_back()?;
    }
    let began = Instant::now();
    let mut host = HostSide { input, output };
    let limits = Limits::new(Some(load.timeout_ms));
    let (status, timed_out, truncated) = match initialise(&load, agent, &mut host, limits).await? {
        Initialised::Ready(server) => {
            let truncated = server.process().is_some_and(Process::is_truncated);
            *held = Some(Loaded {
                load,
                server,
                restored: false,
                kills: memory::kills(),
            });
            (ExitStatus::Exited(0), false, truncated)
        }
        Initialised::Failed {
            status,
            timed_out,
            truncated,
        } => (status, timed_out, truncated),
    };
    if agent.powers() == Powers::Guest {
        write_back();
    }
    let exit = Exit {
        status,
        timed_out,
        stdout_truncated: truncated,
        stderr_truncated: truncated,
        timings: GuestTimings {
            run_us: u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
            ..GuestTimings::default()
        },
    };
    Ok(host.output.finish(FrameKind::Exit, &exit).await?)
}

/// What came of an initialisation.
pub(super) enum Initialised {
    Ready(Server),
    /// Why was said in its output, or is in the status.
    Failed {
        status: ExitStatus,
        timed_out: bool,
        truncated: bool,
    },
}

impl Initialised {
    /// Not ready; a process that ended well is no better than another.
    pub(super) fn failed<T>(turn: &Turn<T>, process: &Process) -> Self {
        let (status, timed_out) = match turn {
            Turn::Heard(_) | Turn::Ended(ExitStatus::Exited(0)) => (ExitStatus::Exited(1), false),
            Turn::Ended(status) => (*status, false),
            Turn::TimedOut => (ExitStatus::Signaled(libc::SIGKILL), true),
        };
        Self::Failed {
            status,
            timed_out,
            truncated: process.is_truncated(),
        }
    }
}

impl Server {
    fn process(&self) -> Option<&Process> {
        match self {
            Self::Resident(resident) => Some(&resident.process),
            Self::Lambda(runtime) => Some(&runtime.process),
            Self::Http { process, .. } => Some(process),
            Self::Command { .. } => None,
        }
    }
}

async fn initialise(
    load: &LoadFunction,
    agent: &Agent,
    host: &mut HostSide<'_>,
    limits: Limits,
) -> Result<Initialised, OperationError> {
    match &load.kind {
        FunctionKind::Python { handler } => {
            resident(Runtime::Python, load, handler, agent, host, limits).await
        }
        FunctionKind::Node { handler } => {
            resident(Runtime::Node, load, handler, agent, host, limits).await
        }
        FunctionKind::Command { argv } => {
            command::check(load, argv)?;
            let argv = argv.clone();
            Ok(Initialised::Ready(Server::Command { argv }))
        }
        FunctionKind::Lambda { argv, handler } => {
            lambda::Runtime::load(load, argv, handler.as_deref(), agent, host, limits).await
        }
        FunctionKind::Http { argv, port, hooks } => {
            http::listen(load, argv, *port, hooks, agent, host, limits).await
        }
    }
}

async fn resident(
    runtime: Runtime,
    load: &LoadFunction,
    handler: &str,
    agent: &Agent,
    host: &mut HostSide<'_>,
    limits: Limits,
) -> Result<Initialised, OperationError> {
    let mut resident = Resident::start(runtime, load, handler, agent.children()).await?;
    let turn = resident.load(handler, &load.folder, host, limits).await?;
    if !is_ready(&turn) {
        return Ok(Initialised::failed(&turn, &resident.process));
    }
    for _ in 0..ROUNDS {
        resident.ping(&load.name).await?;
    }
    let turn = resident.snapshot(host, limits).await?;
    if !is_ready(&turn) {
        return Ok(Initialised::failed(&turn, &resident.process));
    }
    Ok(Initialised::Ready(Server::Resident(Box::new(resident))))
}

fn is_ready(turn: &Talk) -> bool {
    matches!(turn, Turn::Heard(Ok(said)) if said.answer == Answer::Ready)
}
