//! A QEMU that waits for a device state.

use std::{fs::File, io, os::fd::AsFd as _, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use serde_json::json;
use tokio::{io::AsyncWriteExt as _, net::unix::pipe};

use super::{
    argv::{Start, fd},
    engine::{Context, LAST_WORDS},
    launch::{Launch, Launched, launch, prepare},
    machine::QemuMachine,
};
use crate::{
    BaseMemory, ControlError, EndWatch, Machine, MachineSnapshot, RestoreError, Shell, ShellSpec,
    StartError, VmmId,
};

/// A device state is about 64 KB; with room for it in the pipe it is handed over in one write.
const PIPE_BYTES: i32 = 1 << 20;

/// A QEMU whose loading of a device state has begun and waits for the first byte. If the daemon dies,
/// the pipe ends and so does the process.
#[derive(Debug)]
pub(super) struct QemuShell {
    launched: Launched,
    device_state: pipe::Sender,
    scratch: File,
}

impl QemuShell {
    pub(super) async fn spawn(context: &Context, spec: ShellSpec) -> Result<Self, StartError> {
        let (reader, writer) =
            nix::unistd::pipe2(OFlag::O_CLOEXEC).map_err(|errno| prepare("pipe")(errno.into()))?;
        fcntl(&writer, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES))
            .map_err(|errno| prepare("pipe")(errno.into()))?;
        let device_state = pipe::Sender::from_owned_fd(writer).map_err(prepare("pipe"))?;
        let memory = context.shim.prepare(spec.memory)?;
        let launched = launch(
            context,
            Launch {
                id: spec.id,
                shape: spec.shape,
                root_fs: spec.root.fs,
                start: Start::Incoming,
                descriptors: vec![
                    (fd::ROOT, spec.root.file.as_fd()),
                    (fd::SCRATCH, spec.scratch.as_fd()),
                    (fd::DEVICE_STATE, reader.as_fd()),
                ],
                memory: Some(memory),
            },
        )
        .await?;
        drop(reader);
        listen(&launched).await?;
        Ok(Self {
            launched,
            device_state,
            scratch: spec.scratch,
        })
    }
}

/// Memory is not part of the stream (`x-ignore-shared`), and events tell when the load is done.
async fn listen(launched: &Launched) -> Result<(), ControlError> {
    launched
        .qmp
        .command(
            "migrate-set-capabilities",
            json!({ "capabilities": [
                { "capability": "events", "state": true },
                { "capability": "x-ignore-shared", "state": true },
            ]}),
        )
        .await?;
    launched
        .qmp
        .command(
            "migrate-incoming",
            json!({ "uri": format!("fd:{}", fd::DEVICE_STATE) }),
        )
        .await?;
    Ok(())
}

#[async_trait]
impl Shell for QemuShell {
    fn id(&self) -> &VmmId {
        self.launched.process.id()
    }

    fn end(&self) -> EndWatch {
        self.launched.process.end()
    }

    fn scratch(&self) -> io::Result<File> {
        self.scratch.try_clone()
    }

    async fn restore(
        self: Box<Self>,
        state: Bytes,
        timeout: Duration,
    ) -> Result<Box<dyn Machine>, RestoreError> {
        let Self {
            launched,
            device_state,
            scratch,
        } = *self;
        tokio::time::timeout(timeout, load(&launched, device_state, &state))
            .await
            .map_err(|_| RestoreError::TimedOut(timeout))??;
        Ok(Box::new(QemuMachine::restored(launched, scratch, None)))
    }

    async fn restore_snapshot(
        self: Box<Self>,
        base: &BaseMemory,
        snapshot: MachineSnapshot,
        timeout: Duration,
    ) -> Result<Box<dyn Machine>, RestoreError> {
        let Self {
            launched,
            device_state,
            scratch,
        } = *self;
        let MachineSnapshot {
            device_state: state,
            delta,
            handover,
        } = snapshot;
        let (pid, base) = (launched.process.pid().cast_signed(), base.clone());
        let restoring = async {
            // Before the load, which may look at what it finds there. The process is reaped by a task of
            // ours, and its number can't be another's within this call.
            let write = move || base.guest_memory(pid)?.apply(&delta);
            let written = tokio::task::spawn_blocking(write).await;
            written.map_err(|error| RestoreError::Write(io::Error::other(error)))??;
            load(&launched, device_state, &state).await
        };
        tokio::time::timeout(timeout, restoring)
            .await
            .map_err(|_| RestoreError::TimedOut(timeout))??;
        let machine = QemuMachine::restored(launched, scratch, Some(handover));
        Ok(Box::new(machine))
    }
}

async fn load(
    launched: &Launched,
    mut device_state: pipe::Sender,
    state: &[u8],
) -> Result<(), RestoreError> {
    let mut end = launched.process.end();
    let mut announced = launched.qmp.announced();
    let hand_over = async {
        device_state
            .write_all(state)
            .await
            .map_err(RestoreError::Write)?;
        drop(device_state);
        let done = announced
            .wait_for(|now| matches!(now.migration.as_deref(), Some("completed" | "failed")))
            .await
            .map_err(|_| ControlError::Closed)?;
        match done.migration.as_deref() {
            Some("completed") => Ok(()),
            _ => Err(RestoreError::Refused("the load failed".to_owned())),
        }
    };
    let failure = tokio::select! {
        biased;
        loaded = hand_over => match loaded {
            Ok(()) => return Ok(()),
            Err(error) => error,
        },
        end = end.wait() => return Err(ended(&end)),
    };
    // A QEMU that can't load a state ends with its reason on standard error.
    match tokio::time::timeout(LAST_WORDS, launched.process.end().wait()).await {
        Ok(end) => Err(ended(&end)),
        Err(_) => Err(failure),
    }
}

fn ended(end: &std::sync::Arc<crate::VmmEnd>) -> RestoreError {
    match end.kind {
        crate::EndKind::Exited(_) => RestoreError::Refused(end.to_string()),
        crate::EndKind::Killed | crate::EndKind::Signaled(_) | crate::EndKind::Unseen => {
            RestoreError::Ended(end.clone())
        }
    }
}
