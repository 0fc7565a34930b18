//! The task that owns a process: reads its output, hears the wish to kill it, reaps it.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Output, RunFolder, Running};
use crate::{Console, EndWatch, ProcessMark, VmmEnd, VmmId, end::EndSender, jail::Cell};

/// How long output that is already written may take to be read once the process is gone.
const DRAIN: Duration = Duration::from_millis(200);

/// A running VMM. Dropping it kills the process, unless it is to outlive us; its task reaps it and only
/// then frees the uid and the run folder.
#[derive(Debug)]
pub(crate) struct Process {
    id: VmmId,
    pid: u32,
    place: u32,
    end: EndWatch,
    console: Console,
    folder: RunFolder,
    wishes: Wishes,
    outlives: AtomicBool,
}

/// What a process holds for as long as it lives.
#[derive(Debug)]
pub(crate) struct Holdings {
    pub(crate) cell: Cell,
    pub(crate) folder: RunFolder,
}

/// What the task is told.
#[derive(Debug, Clone, Default)]
struct Wishes {
    kill: CancellationToken,
    let_go: CancellationToken,
}

impl Process {
    /// Hands a process to a task of its own.
    pub(crate) fn own(
        tracker: &TaskTracker,
        id: VmmId,
        pid: u32,
        running: Running,
        output: Output,
        holdings: Holdings,
    ) -> Self {
        let (sender, end) = EndSender::new();
        let wishes = Wishes::default();
        let (console, place) = (output.console(), holdings.cell.number());
        let folder = holdings.folder.again();
        tracker.spawn(run(running, output, wishes.clone(), sender, holdings));
        Self {
            id,
            pid,
            place,
            end,
            console,
            folder,
            wishes,
            outlives: AtomicBool::new(false),
        }
    }

    pub(crate) fn id(&self) -> &VmmId {
        &self.id
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// How a later daemon finds it.
    pub(crate) fn mark(&self) -> std::io::Result<ProcessMark> {
        ProcessMark::of(self.pid, self.place)
    }

    pub(crate) fn end(&self) -> EndWatch {
        self.end.clone()
    }

    pub(crate) fn console(&self) -> Console {
        self.console.clone()
    }

    /// The folder with its sockets, which is there for as long as the process is.
    pub(crate) fn folder(&self) -> &RunFolder {
        &self.folder
    }

    /// From now on only a kill ends it: dropped, it runs on.
    pub(crate) fn outlive(&self) {
        self.outlives.store(true, Ordering::Relaxed);
    }

    /// Asks for the kill; the end is told as any other.
    pub(crate) fn kill_now(&self) {
        self.wishes.kill.cancel();
    }

    /// Kills the process and waits until it is reaped.
    pub(crate) async fn kill(self) -> VmmEnd {
        self.kill_now();
        let mut end = self.end.clone();
        end.wait().await.as_ref().clone()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.outlives.load(Ordering::Relaxed) {
            self.wishes.let_go.cancel();
        } else {
            self.wishes.kill.cancel();
        }
    }
}

async fn run(
    mut running: Running,
    mut output: Output,
    wishes: Wishes,
    sender: EndSender,
    holdings: Holdings,
) {
    let Holdings { cell, folder } = holdings;
    let mut killed = false;
    let ended = loop {
        tokio::select! {
            biased;
            () = wishes.kill.cancelled(), if !killed => {
                killed = true;
                running.kill();
            }
            ended = running.wait() => break ended,
            () = wishes.let_go.cancelled(), if !killed => {
                folder.leave();
                cell.leave();
                return;
            }
            () = output.read() => {}
        }
    };
    let _ = tokio::time::timeout(DRAIN, output.drain()).await;
    let (stderr, console) = output.texts();
    let end = VmmEnd {
        kind: ended.kind(killed),
        stderr,
        console,
    };
    // Only now may another VMM get the uid.
    drop(folder);
    drop(cell);
    if !killed {
        tracing::info!(%end, "a VMM ended by itself");
    }
    sender.send(end);
}
