//! A function's process, and the one loop that attends to it while something is awaited of it.

use std::pin::pin;

use bytes::Bytes;
use nix::errno::Errno;
use thaw_guest_protocol::{ExitStatus, FrameKind};

use crate::{
    exec::{Limits, Streams, Tap, scratch},
    failure::OperationError,
    process::Child,
    wire::{WireReader, WireWriter},
};

/// The host's stream of one operation.
pub(super) struct HostSide<'a> {
    pub(super) input: WireReader,
    pub(super) output: &'a mut WireWriter,
}

/// A process that lives from the load to the end of the machine. Dropping it kills its group.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) child: Child,
    pub(super) streams: Streams,
}

/// What came first.
#[derive(Debug)]
pub(super) enum Turn<T> {
    /// What was awaited.
    Heard(T),
    /// The end of the process.
    Ended(ExitStatus),
    /// The deadline.
    TimedOut,
}

impl Process {
    /// Awaits `talk` while the process's output goes to the host. At its end all output is on its way
    /// that the process had written before.
    ///
    /// # Errors
    /// [`OperationError::Gone`] when the host went away.
    pub(super) async fn attend<T>(
        &mut self,
        host: &mut HostSide<'_>,
        limits: Limits,
        talk: impl Future<Output = T>,
    ) -> Result<Turn<T>, OperationError> {
        self.attend_keeping(host, limits, talk, None).await
    }

    /// As [`attend`](Self::attend). What the host sends meanwhile is kept, as far as there is room: for one frame.
    ///
    /// # Errors
    /// As [`attend`](Self::attend).
    pub(super) async fn attend_keeping<T>(
        &mut self,
        host: &mut HostSide<'_>,
        limits: Limits,
        talk: impl Future<Output = T>,
        mut kept: Option<&mut Bytes>,
    ) -> Result<Turn<T>, OperationError> {
        let mut talk = pin!(talk);
        let mut scratch = scratch();
        let turn = loop {
            let Streams { stdout, stderr, .. } = &mut self.streams;
            let room = host.output.has_room();
            tokio::select! {
                biased;
                () = limits.reached() => break Turn::TimedOut,
                // Where nothing is kept, nothing is expected of the host but that it stays.
                frame = host.input.next_frame(), if kept.as_ref().is_none_or(|kept| kept.is_empty()) => {
                    let frame = frame?;
                    if let (Some(kept), FrameKind::Stdin) = (&mut kept, frame.kind) {
                        **kept = frame.payload;
                    }
                }
                sent = host.output.drain(), if host.output.is_pending() => sent?,
                heard = &mut talk => break Turn::Heard(heard),
                status = self.child.wait() => {
                    let status = status.map_err(lost)?;
                    break Turn::Ended(status);
                }
                () = stdout.readable(), if room => stdout.forward(&mut scratch, host.output)?,
                () = readable(stderr.as_ref()), if room => {
                    if let Some(stderr) = stderr {
                        stderr.forward(&mut scratch, host.output)?;
                    }
                }
            }
        };
        self.forward_rest(&mut scratch, host.output)?;
        Ok(turn)
    }

    /// Sets how much of each stream may be sent from now on.
    pub(super) fn allow(&mut self, bytes: u64) {
        self.streams.stdout.allow(bytes);
        if let Some(stderr) = &mut self.streams.stderr {
            stderr.allow(bytes);
        }
    }

    /// Whether something was thrown away since [`allow`](Self::allow).
    pub(super) fn is_truncated(&self) -> bool {
        let stderr = self.streams.stderr.as_ref();
        self.streams.stdout.is_truncated() || stderr.is_some_and(Tap::is_truncated)
    }

    /// Adds what lies in the streams to what the host is sent.
    pub(super) fn forward_rest(
        &mut self,
        scratch: &mut [u8],
        output: &mut WireWriter,
    ) -> Result<(), OperationError> {
        self.streams.stdout.forward_rest(scratch, output)?;
        if let Some(stderr) = &mut self.streams.stderr {
            stderr.forward_rest(scratch, output)?;
        }
        Ok(())
    }
}

/// Ends when there is something to read.
pub(super) async fn readable(tap: Option<&Tap>) {
    match tap {
        Some(tap) => tap.readable().await,
        None => std::future::pending().await,
    }
}

pub(super) fn lost(errno: Errno) -> OperationError {
    OperationError::system("wait for the function's process", errno)
}
