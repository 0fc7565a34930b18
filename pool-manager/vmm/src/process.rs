//! One VMM process and the one task that owns it: reads its output, hears the wish to kill it, reaps it.

use std::{
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    net::UnixStream,
    process::{Child, ChildStderr},
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use crate::{EndKind, EndWatch, VmmEnd, VmmId, end::EndSender, jail::Cell, ring::Ring};

const STDERR_BYTES: usize = 16 * 1024;
const CONSOLE_BYTES: usize = 64 * 1024;

/// How long output that is already written may take to be read once the process is gone.
const DRAIN: Duration = Duration::from_millis(200);

type Shared = Arc<Mutex<Ring>>;

/// A running VMM. Dropping it kills the process; its task reaps it and only then frees the uid and
/// the run folder.
#[derive(Debug)]
pub(crate) struct Process {
    id: VmmId,
    pid: u32,
    end: EndWatch,
    console: Shared,
    kill: CancellationToken,
    _killed_when_dropped: DropGuard,
}

/// What a process holds for as long as it lives.
#[derive(Debug)]
pub(crate) struct Holdings {
    pub(crate) cell: Cell,
    pub(crate) folder: RunFolder,
}

impl Process {
    /// Hands a child to a task of its own.
    pub(crate) fn own(
        tracker: &TaskTracker,
        id: VmmId,
        mut child: Child,
        console: UnixStream,
        holdings: Holdings,
    ) -> Self {
        let (sender, end) = EndSender::new();
        let kill = CancellationToken::new();
        let ring = Arc::new(Mutex::new(Ring::new(CONSOLE_BYTES)));
        let pid = child.id().unwrap_or_default();
        let stderr = child.stderr.take();
        let output = Output {
            stderr,
            stderr_ring: Ring::new(STDERR_BYTES),
            console: Some(console),
            console_ring: ring.clone(),
        };
        tracker.spawn(run(child, output, kill.clone(), sender, holdings));
        Self {
            id,
            pid,
            end,
            console: ring,
            _killed_when_dropped: kill.clone().drop_guard(),
            kill,
        }
    }

    pub(crate) fn id(&self) -> &VmmId {
        &self.id
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn end(&self) -> EndWatch {
        self.end.clone()
    }

    pub(crate) fn console(&self) -> String {
        lock(&self.console).text()
    }

    /// Kills the process and waits until it is reaped.
    pub(crate) async fn kill(self) -> VmmEnd {
        self.kill.cancel();
        let mut end = self.end.clone();
        end.wait().await.as_ref().clone()
    }
}

fn lock(ring: &Shared) -> std::sync::MutexGuard<'_, Ring> {
    ring.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Output {
    stderr: Option<ChildStderr>,
    stderr_ring: Ring,
    console: Option<UnixStream>,
    console_ring: Shared,
}

impl Output {
    /// Reads whatever comes next from either; pends for ever once both have ended.
    async fn read(&mut self) {
        let mut stderr_bytes = [0; 2048];
        let mut console_bytes = [0; 2048];
        tokio::select! {
            read = read_some(&mut self.stderr, &mut stderr_bytes) => match read {
                Some(read) => self.stderr_ring.push(&stderr_bytes[..read]),
                None => self.stderr = None,
            },
            read = read_some(&mut self.console, &mut console_bytes) => match read {
                Some(read) => lock(&self.console_ring).push(&console_bytes[..read]),
                None => self.console = None,
            },
        }
    }

    fn is_open(&self) -> bool {
        self.stderr.is_some() || self.console.is_some()
    }

    async fn drain(&mut self) {
        while self.is_open() {
            self.read().await;
        }
    }
}

/// `None` at the end, and for ever pending without a source.
async fn read_some<R: AsyncRead + Unpin>(
    source: &mut Option<R>,
    buffer: &mut [u8],
) -> Option<usize> {
    match source {
        None => std::future::pending().await,
        Some(source) => source.read(buffer).await.ok().filter(|read| *read > 0),
    }
}

async fn run(
    mut child: Child,
    mut output: Output,
    kill: CancellationToken,
    sender: EndSender,
    holdings: Holdings,
) {
    let mut killed = false;
    let status = loop {
        tokio::select! {
            biased;
            () = kill.cancelled(), if !killed => {
                killed = true;
                // It fails only for a process that is already reaped.
                let _ = child.start_kill();
            }
            status = child.wait() => break status,
            () = output.read() => {}
        }
    };
    let _ = tokio::time::timeout(DRAIN, output.drain()).await;
    let end = VmmEnd {
        kind: kind_of(status, killed),
        stderr: output.stderr_ring.text(),
        console: lock(&output.console_ring).text(),
    };
    // Only now may another VMM get the uid.
    let Holdings { cell, folder } = holdings;
    drop(folder);
    drop(cell);
    if !killed {
        tracing::info!(%end, "a VMM ended by itself");
    }
    sender.send(end);
}

fn kind_of(status: std::io::Result<ExitStatus>, killed: bool) -> EndKind {
    match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => EndKind::Exited(code),
            (None, Some(9)) if killed => EndKind::Killed,
            (None, Some(signal)) => EndKind::Signaled(signal),
            (None, None) => EndKind::Killed,
        },
        // Somebody else reaped it; it is gone all the same.
        Err(_) => EndKind::Killed,
    }
}

/// `run/vmm/ID/`: the sockets of one VMM. Removed when dropped.
#[derive(Debug)]
pub(crate) struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    pub(crate) fn create(parent: &Path, id: &VmmId) -> std::io::Result<Self> {
        let path = parent.join(id.as_str());
        std::fs::create_dir(&path)?;
        Ok(Self { path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "could not remove a VMM's run folder");
        }
    }
}
