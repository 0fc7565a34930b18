//! The code operation.

use std::{fs, io, os::fd::OwnedFd};

use thaw_guest_protocol::{CodeRun, FailureKind, GuestTimings, Language};
use tokio::time::Instant;

use super::{Forked, Interpreters, Rehearsing, message::Source};
use crate::{
    exec::{Custody, Limits, Running, Streams, Subject},
    failure::OperationError,
    wire::{WireReader, WireWriter},
};

/// What becomes of the interpreter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// It becomes the program.
    Up,
    /// A fork of it is the program.
    Fork,
    /// It runs the code in a namespace that is thrown away.
    Rehearse,
}

/// Runs code to its end; the exit is sent as the last frame.
///
/// # Errors
/// See [`OperationError`].
pub(crate) async fn code(
    run: CodeRun,
    to: Use,
    wake_us: u64,
    interpreters: &Interpreters,
    custody: Custody,
    input: WireReader,
    output: &mut WireWriter,
) -> Result<(), OperationError> {
    let began = Instant::now();
    let Language::Python = run.language;
    check(&run)?;
    let (streams, fds) = Streams::pipes(run.stdin, run.output_limit_bytes)?;
    let source = Source {
        cwd: run.cwd.as_deref().unwrap_or("/"),
        env: &run.env,
        code: &run.code,
    };
    let subject = match to {
        Use::Up => use_up(interpreters, &source, &fds).await?,
        Use::Fork => fork(interpreters, &source, &fds).await?,
        Use::Rehearse => rehearse(interpreters, &source, &fds).await?,
    };
    // Only the program may hold them now, or their end would never be seen.
    drop(fds);
    let running = Running {
        subject,
        streams,
        limits: Limits::new(run.timeout_ms),
        timings: GuestTimings {
            wake_us,
            spawn_us: u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
            run_us: 0,
        },
    };
    drop(run);
    running.conduct(custody, input, output).await
}

/// What the interpreter cannot answer for itself.
fn check(run: &CodeRun) -> Result<(), OperationError> {
    let bad = |why: String| Err(OperationError::refused(FailureKind::BadRequest, why));
    for (key, value) in &run.env {
        if key.is_empty() || key.contains(['=', '\0']) || value.contains('\0') {
            return bad(format!("{key:?} cannot be a variable of an environment"));
        }
    }
    let Some(cwd) = run.cwd.as_deref() else {
        return Ok(());
    };
    let found = fs::metadata(cwd).and_then(|metadata| {
        if metadata.is_dir() {
            Ok(())
        } else {
            Err(io::ErrorKind::NotADirectory.into())
        }
    });
    found.map_err(|error| {
        OperationError::refused(
            FailureKind::BadWorkingDirectory,
            format!("working directory {cwd:?}: {error}"),
        )
    })
}

async fn use_up(
    interpreters: &Interpreters,
    source: &Source<'_>,
    fds: &[OwnedFd],
) -> Result<Subject, OperationError> {
    // The one that waited may have died in the meantime; a new one has not.
    for _ in 0..2 {
        let resident = interpreters.take().await?;
        if let Ok(turned) = resident.run(source, fds).await {
            return Ok(Subject::Turned(turned));
        }
    }
    Err(lost())
}

async fn rehearse(
    interpreters: &Interpreters,
    source: &Source<'_>,
    fds: &[OwnedFd],
) -> Result<Subject, OperationError> {
    let resident = interpreters.share().await?;
    let events = resident.rehearse(source, fds).await;
    let events = events.map_err(|_| lost())?;
    Ok(Subject::Rehearsing(Rehearsing::new(resident, events)))
}

async fn fork(
    interpreters: &Interpreters,
    source: &Source<'_>,
    fds: &[OwnedFd],
) -> Result<Subject, OperationError> {
    let mut resident = interpreters.share().await?;
    for _ in 0..2 {
        if let Ok(events) = resident.fork(source, fds).await {
            return Ok(Subject::Forked(Forked::new(resident, events).await?));
        }
        resident = interpreters.keep().await?;
    }
    Err(lost())
}

fn lost() -> OperationError {
    OperationError::refused(FailureKind::System, "the interpreter ended by itself")
}
