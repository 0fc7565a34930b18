//! One stream: the opening, what must be put right first, the operation, one last frame.

use std::{error::Error as _, time::Duration};

use thaw_guest_protocol::{FailureKind, FrameKind, Opening, Reply, Request};
use tokio::time::{Instant, timeout};
use yamux::Stream;

use crate::{
    agent::{Agent, Powers},
    background::background,
    boot::{PowerOff, write_back},
    code::{Use, code},
    dial::dial,
    exec::{Custody, LastWill, exec},
    failure::OperationError,
    files::files,
    functions::{invoke, load},
    prepare::{prepare, prove},
    report::{info, usage},
    wake::wake,
    wire::{WireError, WireReader, WireWriter, split},
};

/// How long the host has to take the reply to a shutdown.
const FAREWELL: Duration = Duration::from_secs(1);

/// Does what the host asks on one stream.
pub(crate) async fn operate(stream: Stream, agent: Agent, will: LastWill) {
    let (input, mut output) = split(stream);
    match run(input, &mut output, &agent, will).await {
        // A host that is gone by now is not told.
        Err(OperationError::Refused(failure)) => {
            drop(output.finish(FrameKind::Failed, &failure).await);
        }
        Ok(()) | Err(OperationError::Gone(_)) => {}
    }
}

async fn run(
    mut input: WireReader,
    output: &mut WireWriter,
    agent: &Agent,
    will: LastWill,
) -> Result<(), OperationError> {
    let opening = opening(&mut input).await?;
    let permit = agent.admit().ok_or_else(|| {
        OperationError::refused(FailureKind::Exhausted, "too many operations at once")
    })?;
    let woken = Instant::now();
    let mut wake_us = 0;
    if let Some(data) = &opening.wake {
        wake(data, agent)?;
        agent.functions().thawed();
        wake_us = u64::try_from(woken.elapsed().as_micros()).unwrap_or(u64::MAX);
    }
    let custody = async || Custody {
        starting: agent.rest().starting().await,
        permit,
        will,
        keeper: agent.keeper().clone(),
    };
    match opening.request {
        Request::Exec(request) => {
            let custody = custody().await;
            exec(request, wake_us, agent.children(), custody, input, output).await
        }
        Request::Code(request) => {
            let custody = custody().await;
            let to = if request.keep_interpreter {
                Use::Fork
            } else {
                Use::Up
            };
            code(
                request,
                to,
                wake_us,
                agent.interpreters(),
                custody,
                input,
                output,
            )
            .await
        }
        Request::Rehearse(request) => {
            let custody = custody().await;
            code(
                request,
                Use::Rehearse,
                wake_us,
                agent.interpreters(),
                custody,
                input,
                output,
            )
            .await
        }
        Request::LoadFunction(request) => {
            drop(agent.rest().starting().await);
            Box::pin(load(request, agent, input, output)).await
        }
        Request::Invoke(request) => {
            drop(agent.rest().starting().await);
            Box::pin(invoke(request, wake_us, agent, input, output)).await
        }
        Request::Files(operation) => files(operation, input, output).await,
        Request::Background(operation) => background(operation, agent, input, output).await,
        Request::Dial { port } => dial(port, input, output).await,
        Request::Info => reply(output, &Reply::Info(info(agent))).await,
        Request::Usage => reply(output, &Reply::Usage(usage()?)).await,
        Request::Prepare { env } => {
            let _starting = agent.rest().starting().await;
            prepare(env, agent).await?;
            reply(output, &Reply::Done).await
        }
        Request::Prove => {
            let _starting = agent.rest().starting().await;
            prove(agent).await?;
            reply(output, &Reply::Done).await
        }
        Request::Quiesce { handover } => {
            agent.rest().quiesce(handover).await?;
            reply(output, &Reply::Done).await
        }
        Request::Continue => {
            agent.rest().go_on().await;
            reply(output, &Reply::Done).await
        }
        Request::GrowDisk { bytes } => {
            agent.scratch().grow(bytes).await?;
            reply(output, &Reply::Done).await
        }
        Request::Shutdown => shut_down(&mut input, output, agent).await,
    }
}

async fn opening(input: &mut WireReader) -> Result<Opening, OperationError> {
    let bad = |why: String| OperationError::refused(FailureKind::BadRequest, why);
    let frame = match input.next_frame().await {
        Ok(frame) => frame,
        Err(WireError::Frame(error)) => return Err(bad(error.to_string())),
        Err(error) => return Err(error.into()),
    };
    if frame.kind != FrameKind::Opening {
        return Err(bad(format!("a stream cannot begin with {:?}", frame.kind)));
    }
    frame.json().map_err(|error| match error.source() {
        Some(cause) => bad(format!("{error}: {cause}")),
        None => bad(error.to_string()),
    })
}

async fn reply(output: &mut WireWriter, reply: &Reply) -> Result<(), OperationError> {
    Ok(output.finish(FrameKind::Reply, reply).await?)
}

async fn shut_down(
    input: &mut WireReader,
    output: &mut WireWriter,
    agent: &Agent,
) -> Result<(), OperationError> {
    if agent.powers() != Powers::Guest {
        return Err(OperationError::refused(
            FailureKind::System,
            "this machine is not the agent's to power off",
        ));
    }
    // A host that hangs up ends its session and this operation with it.
    let _end = PowerOff;
    write_back();
    reply(output, &Reply::Done).await?;
    // The host closes its side when it has the reply; one that does not is not waited for.
    let _ = timeout(FAREWELL, input.next_frame()).await;
    Ok(())
}
