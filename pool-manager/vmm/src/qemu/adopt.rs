//! A QEMU that an earlier daemon started.
//!
//! Its sockets' clients are gone, so QEMU listens on each of them again. The guest's side takes longer: an
//! agent that has not run since does not know that its host has changed, drops what it has not read when
//! it learns of it, and so may lose the first words of the next host. Those are therefore a question that is
//! asked until it is answered.

use std::{io, time::Duration};

use serde_json::Value;
use thaw_guest_protocol::{Opening, Request};
use tokio::{sync::watch, time::timeout};

use super::{
    engine::Context,
    launch::name,
    qmp::{Announced, Qmp},
};
use crate::{
    AdoptError, ControlError, GuestConnection, ProcessMark, VmmId,
    guest::vsock,
    process::{ErrorPipe, Holdings, Output, Process, RunFolder, Running},
};

/// How long an agent may take to answer before it is asked anew.
const ANSWER: Duration = Duration::from_secs(10);

/// How long an agent that was hung up on may take to open its port anew before it is asked all the same.
/// QEMU tells of changes at most once a second.
const REOPENING: Duration = Duration::from_secs(3);

/// A QEMU that was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) process: Process,
    pub(super) qmp: Qmp,
    pub(super) running: bool,
    /// A second handle of its folder, to reach the agent's socket through; it removes nothing.
    folder: RunFolder,
    place: u32,
    serial: bool,
}

/// Finds the process and takes over its sockets. Until this succeeds nothing of the process is changed;
/// from then on it is let go when what is returned is dropped.
pub(super) async fn find(
    context: &Context,
    id: &VmmId,
    mark: &ProcessMark,
) -> Result<Found, AdoptError> {
    let running = Running::find(mark).map_err(reach("process"))?;
    let running = running.ok_or(AdoptError::Gone)?;
    let cell = context.jail.cell_of(mark.place);
    let cell = cell.ok_or(AdoptError::Uid(mark.place))?;
    let mut folder = RunFolder::find(&context.run_folder, id);
    let console = folder.connect(name::CONSOLE).map_err(reach("console"))?;
    let stderr = ErrorPipe::reopen(&folder).map_err(reach("error pipe"))?;
    let control = folder.connect(name::QMP).map_err(reach("control socket"))?;
    let serial = folder.path().join(name::AGENT).exists();
    folder.own();
    let process = Process::own(
        &context.tracker,
        id.clone(),
        mark.pid,
        running,
        Output::new(stderr, console),
        Holdings { cell, folder },
    );
    process.outlive();
    let qmp = Qmp::connect(control).await?;
    let status = qmp.command("query-status", Value::Null).await?;
    let running = status.get("running").and_then(Value::as_bool);
    let running = running.ok_or_else(|| ControlError::Protocol(status.to_string()))?;
    Ok(Found {
        process,
        qmp,
        running,
        folder: RunFolder::find(&context.run_folder, id),
        place: mark.place,
        serial,
    })
}

impl Found {
    pub(super) fn over_serial(&self) -> bool {
        self.serial
    }

    /// The way to the agent, which is tried while the guest runs.
    pub(super) fn reach_agent(&self, running: watch::Receiver<bool>) -> GuestConnection {
        let (place, announced) = (self.place, self.qmp.announced());
        if self.serial {
            let folder = self.folder.again();
            GuestConnection::relayed(ask_until_answered(folder, announced, running))
        } else {
            GuestConnection::connecting(async move {
                runs(running).await?;
                vsock::connect(place).await
            })
        }
    }
}

/// Connects, asks who is there, and begins anew when nobody answers or when the agent has opened its port
/// anew, in which case it may have dropped the question.
async fn ask_until_answered(
    folder: RunFolder,
    mut announced: watch::Receiver<Announced>,
    running: watch::Receiver<bool>,
) -> Option<GuestConnection> {
    let question = Opening {
        wake: None,
        request: Request::Info,
    };
    loop {
        runs(running.clone()).await.ok()?;
        let changes = announced.borrow_and_update().port_changes;
        let connection = match folder.connect(name::AGENT) {
            Ok(stream) => GuestConnection::new(stream),
            Err(error) => {
                tracing::warn!(%error, "could not reach the agent's socket of an adopted VMM");
                return None;
            }
        };
        tokio::select! {
            biased;
            answer = timeout(ANSWER, connection.call(&question)) => {
                if let Ok(Ok(_)) = answer {
                    return Some(connection);
                }
            }
            reopened = reopened(&mut announced, changes) => reopened?,
        }
        let changes = announced.borrow_and_update().port_changes;
        drop(connection);
        // Most of the time it opens its port at once, and then nothing gets lost any more.
        let _ = timeout(REOPENING, reopened(&mut announced, changes)).await;
    }
}

/// Waits until the agent has its port open after a change; none when the control connection is gone.
async fn reopened(announced: &mut watch::Receiver<Announced>, changes: u64) -> Option<()> {
    let reopened = |now: &Announced| now.port_changes > changes && now.port_open == Some(true);
    announced.wait_for(reopened).await.ok().map(drop)
}

async fn runs(mut running: watch::Receiver<bool>) -> io::Result<()> {
    let runs = running.wait_for(|running| *running).await;
    runs.map(drop)
        .map_err(|_| io::ErrorKind::NotConnected.into())
}

fn reach(what: &'static str) -> impl Fn(io::Error) -> AdoptError {
    move |source| AdoptError::Reach { what, source }
}
