//! The one loop that attends to a running program.

use std::{pin::pin, time::Duration};

use nix::errno::Errno;
use thaw_guest_protocol::{Control, Exit, ExitStatus, Frame, FrameKind, GuestTimings};
use tokio::{
    task::yield_now,
    time::{Instant, sleep_until},
};

use super::{Custody, Inlet, Leftovers, Streams, Tap, tap::scratch};
use crate::{
    code::{Forked, Rehearsing, Turned},
    failure::OperationError,
    process::Child,
    wire::{WireError, WireReader, WireWriter},
};

/// What is watched: a child of ours, or a child of a resident interpreter. Dropping either kills its group.
#[derive(Debug)]
pub(crate) enum Subject {
    /// A child of the agent.
    Child(Child),
    /// A fork of an interpreter.
    Forked(Forked),
    /// An interpreter that was used up.
    Turned(Turned),
    /// An interpreter that stays.
    Rehearsing(Rehearsing),
}

impl Subject {
    async fn wait(&mut self) -> Result<ExitStatus, Errno> {
        match self {
            Self::Child(child) => child.wait().await,
            Self::Forked(forked) => forked.wait().await,
            Self::Turned(turned) => turned.wait().await,
            Self::Rehearsing(rehearsing) => rehearsing.wait().await,
        }
    }

    fn signal(&self, signal: i32) -> Result<(), Errno> {
        match self {
            Self::Child(child) => child.signal(signal),
            Self::Forked(forked) => forked.signal(signal),
            Self::Turned(turned) => turned.signal(signal),
            Self::Rehearsing(_) => Err(Errno::ESRCH),
        }
    }
}

/// When a program is ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    deadline: Option<Instant>,
}

impl Limits {
    /// Counts from now.
    pub(crate) fn new(timeout_ms: Option<u64>) -> Self {
        // A time that does not fit is further away than anybody waits.
        let deadline =
            timeout_ms.and_then(|ms| Instant::now().checked_add(Duration::from_millis(ms)));
        Self { deadline }
    }

    /// Ends when the time is up; never when there is no limit.
    pub(crate) async fn reached(&self) {
        match self.deadline {
            Some(deadline) => sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    }
}

/// A program that has been started.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) subject: Subject,
    pub(crate) streams: Streams,
    pub(crate) limits: Limits,
    /// What is known of them already.
    pub(crate) timings: GuestTimings,
}

/// What a program that has ended leaves to be taken apart, which its answer need not wait for.
#[derive(Debug)]
struct Remains {
    _subject: Subject,
    _stdin: Inlet,
    _outputs: [Option<Tap>; 2],
}

impl Running {
    /// Attends to the program until it ends, then sends its exit.
    ///
    /// # Errors
    /// [`OperationError::Gone`] when the host went away; the custody decides what becomes of the group.
    pub(crate) async fn conduct(
        self,
        custody: Custody,
        mut input: WireReader,
        output: &mut WireWriter,
    ) -> Result<(), OperationError> {
        let started = Instant::now();
        let mut held = custody.hold(self);
        let leftovers = held.leftovers().clone();
        let mut scratch = scratch();
        let gone = || OperationError::Gone(WireError::Closed);
        let running = held.running().ok_or_else(gone)?;
        let end = running.attend(&mut input, output, &mut scratch).await?;
        let ended = held.release().ok_or_else(gone)?;
        let (exit, remains) = ended.wind_up(end, started, output, &mut scratch, &leftovers)?;
        output.finish(FrameKind::Exit, &exit).await?;
        // The session sends it now; what is left to do here delays nobody then.
        yield_now().await;
        drop(remains);
        Ok(())
    }

    /// Attends to the program until it ends.
    ///
    /// # Errors
    /// [`OperationError::Gone`] when the host went away; the group is killed then.
    pub(crate) async fn until_end(
        mut self,
        input: &mut WireReader,
        output: &mut WireWriter,
        leftovers: &Leftovers,
    ) -> Result<Exit, OperationError> {
        let started = Instant::now();
        let mut scratch = scratch();
        let end = self.attend(input, output, &mut scratch).await?;
        let (exit, _remains) = self.wind_up(end, started, output, &mut scratch, leftovers)?;
        Ok(exit)
    }

    /// Sends what is left of the output of a program that has ended.
    fn wind_up(
        self,
        (status, timed_out): (ExitStatus, bool),
        started: Instant,
        output: &mut WireWriter,
        scratch: &mut [u8],
        leftovers: &Leftovers,
    ) -> Result<(Exit, Remains), OperationError> {
        let Streams {
            stdin,
            mut stdout,
            stderr,
        } = self.streams;
        stdout.forward_rest(scratch, output)?;
        let stdout_truncated = stdout.is_truncated();
        let stdout = leftovers.keep(stdout);
        let mut stderr_truncated = false;
        let stderr = match stderr {
            Some(mut stderr) => {
                stderr.forward_rest(scratch, output)?;
                stderr_truncated = stderr.is_truncated();
                leftovers.keep(stderr)
            }
            None => None,
        };
        let run_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let exit = Exit {
            status,
            timed_out,
            stdout_truncated,
            stderr_truncated,
            timings: GuestTimings {
                run_us,
                ..self.timings
            },
        };
        let remains = Remains {
            _subject: self.subject,
            _stdin: stdin,
            _outputs: [stdout, stderr],
        };
        Ok((exit, remains))
    }

    /// Lets the program live until its end, its time limit included, without anybody to hear it: its
    /// output is thrown away, its input stays open and gets nothing more.
    pub(super) async fn live_on(mut self, leftovers: &Leftovers) {
        let mut scratch = scratch();
        let Self {
            subject,
            streams,
            limits,
            ..
        } = &mut self;
        let mut timed_out = false;
        loop {
            tokio::select! {
                biased;
                () = limits.reached(), if !timed_out => {
                    timed_out = true;
                    // It may have ended in this moment.
                    let _ = subject.signal(libc::SIGKILL);
                }
                // How it ended is of no interest to anybody.
                _ = subject.wait() => break,
                () = streams.stdin.push(), if streams.stdin.is_waiting() => {}
                () = streams.stdout.readable() => {
                    streams.stdout.read_now(&mut scratch);
                }
                () = readable(streams.stderr.as_ref()) => {
                    if let Some(stderr) = &mut streams.stderr {
                        stderr.read_now(&mut scratch);
                    }
                }
            }
        }
        drop(leftovers.keep(self.streams.stdout));
        if let Some(stderr) = self.streams.stderr {
            drop(leftovers.keep(stderr));
        }
    }

    async fn attend(
        &mut self,
        input: &mut WireReader,
        output: &mut WireWriter,
        scratch: &mut [u8],
    ) -> Result<(ExitStatus, bool), OperationError> {
        let Self {
            subject,
            streams:
                Streams {
                    stdin,
                    stdout,
                    stderr,
                },
            limits,
            ..
        } = self;
        let mut timed_out = false;
        let mut time_is_up = pin!(limits.reached());
        loop {
            let room = output.has_room();
            // In this order, so that no flood of output holds up a signal, the deadline or the end.
            tokio::select! {
                biased;
                () = &mut time_is_up, if !timed_out => {
                    timed_out = true;
                    // It may have ended in this moment; its status tells.
                    let _ = subject.signal(libc::SIGKILL);
                }
                frame = next(input, stdin.is_waiting()) => {
                    hear(frame?, subject, stdin)?;
                }
                sent = output.drain(), if output.is_pending() => sent?,
                status = subject.wait() => {
                    let status = status
                        .map_err(|errno| OperationError::system("wait for the program", errno))?;
                    return Ok((status, timed_out));
                }
                () = stdin.push(), if stdin.is_waiting() => {}
                () = stdout.readable(), if room => stdout.forward(scratch, output)?,
                () = readable(stderr.as_ref()), if room => {
                    if let Some(stderr) = stderr {
                        stderr.forward(scratch, output)?;
                    }
                }
            }
        }
    }
}

async fn readable(tap: Option<&Tap>) {
    match tap {
        Some(tap) => tap.readable().await,
        None => std::future::pending().await,
    }
}

/// The next frame, unless what the last one brought still waits: a program that takes nothing must hold up its
/// sender, and yet not outlive it.
async fn next(input: &mut WireReader, waiting: bool) -> Result<Frame, WireError> {
    if waiting {
        input.gone().await;
        return Err(WireError::Closed);
    }
    input.next_frame().await
}

/// Does what a frame of the host says.
fn hear(frame: Frame, subject: &Subject, stdin: &mut Inlet) -> Result<(), WireError> {
    match frame.kind {
        FrameKind::Stdin => stdin.accept(frame.payload),
        FrameKind::StdinEnd => stdin.end(),
        FrameKind::Control => match frame.json()? {
            // A number that is no signal, or a program that has just ended: nobody can be told.
            Control::Signal { signal } => drop(subject.signal(signal)),
            Control::Resize(size) => stdin.resize(size),
        },
        // Kinds that do not belong here; a later version may know better.
        _ => {}
    }
    Ok(())
}
