//! Takes a restored clone through the paths of real requests, so that it is known to work and its code
//! is warm: under software emulation nothing of the template's translated code survives a restore.
//!
//! ```text
//! wake + exec of /bin/true ─► code run in the interpreter, which stays ─┬─► the agent's own proof ─► paused
//! of a function: wake + an event that the function does not see ────────┘
//! ```
//!
//! What the proof leaves is a name, a clock and a seeded generator, and the clone's first request
//! replaces all three. Nothing is forked off the interpreter: that would share its pages with the fork, and
//! each that it writes afterwards would be copied.

use std::{io, time::Duration};

use thaw_vmm::{
    ControlError, GuestConnection, GuestError, InvocationOutput, Machine, Output,
    protocol::{
        CodeRun, Exec, Failure, FailureKind, Invoke, Language, Opening, Outcome, Program, Request,
        Wake,
    },
};
use thiserror::Error;

use crate::{template::Manifest, wake::wake};

/// How long a program of a proof may run; a proof has a limit of its own, and requests have one.
const PROGRAM_TIMEOUT_MS: u64 = 60_000;

/// How long a function may take to give back what it need not look at.
const FUNCTION_TIMEOUT_MS: u64 = 5000;

/// How often an event goes its way. The second time takes the branches of what is there already; it saves the
/// first real one a millisecond, a third would save nothing.
const ROUNDS: usize = 2;

/// The moment without work after a proof. With 10 ms and more a wake takes 0.8 ms instead of 1.5, and the run of
/// code no longer takes 5 ms in one build and 17 in the next.
const SETTLE: Duration = Duration::from_millis(20);

/// A clone that did not pass.
#[derive(Debug, Error)]
pub(crate) enum ProofError {
    #[error("could not let the clone run, or stop it")]
    Control(#[from] ControlError),
    #[error("the clone failed its proof")]
    Guest(#[source] GuestError),
    #[error("could not make the data that wakes a clone")]
    Wake(#[source] io::Error),
    #[error("the clone did not finish its proof within {0:?}")]
    TimedOut(Duration),
}

/// Runs a paused clone through its proof and pauses it again.
///
/// # Cancel safety
/// Not cancel safe: the clone may run on.
pub(crate) async fn prove(
    machine: &dyn Machine,
    manifest: &Manifest,
    within: Duration,
) -> Result<(), ProofError> {
    let proof = async {
        let (guest, wake) = (machine.guest(), wake(machine.id().as_str()));
        let wake = wake.map_err(ProofError::Wake)?;
        machine.resume().await?;
        match manifest.function {
            Some(_) => walk_to_function(guest, wake).await?,
            None => walk(guest, wake, &manifest.languages).await?,
        }
        pause_settled(machine).await
    };
    tokio::time::timeout(within, proof)
        .await
        .map_err(|_| ProofError::TimedOut(within))?
}

/// Takes a guest without a function along the paths of its requests. Done before the freeze too: what that reads
/// from the disk and sets up is in the memory of every clone then.
///
/// # Errors
/// What fails of it.
pub(crate) async fn walk(
    guest: &GuestConnection,
    wake: Wake,
    languages: &[Language],
) -> Result<(), ProofError> {
    let exec = Opening {
        wake: Some(wake),
        request: Request::Exec(nothing()),
    };
    run(guest, &exec).await?;
    if languages.contains(&Language::Python) {
        let code = Opening {
            wake: None,
            request: Request::Rehearse(snippet()),
        };
        run(guest, &code).await?;
    }
    prove_itself(guest).await
}

/// Lets a proven clone do what most requests begin with and no proof has: it runs a program that lies on the disk
/// only. For what is learnt of the pages that this takes; an image without the program shows nothing.
///
/// # Errors
/// What fails of it.
///
/// # Cancel safety
/// Not cancel safe: the clone runs on, here and after it is done.
pub(crate) async fn go_beyond(machine: &dyn Machine, within: Duration) -> Result<(), ProofError> {
    let unread = Opening {
        wake: None,
        request: Request::Exec(Exec {
            program: Program::Argv(vec!["ls".to_owned(), "/".to_owned()]),
            ..nothing()
        }),
    };
    let beyond = async {
        machine.resume().await?;
        run(machine.guest(), &unread).await
    };
    tokio::time::timeout(within, beyond)
        .await
        .map_err(|_| ProofError::TimedOut(within))?
}

/// A function's clone is warm when its process has answered the agent; the function itself sees nothing of it.
async fn walk_to_function(guest: &GuestConnection, wake: Wake) -> Result<(), ProofError> {
    let mut event = Opening {
        wake: Some(wake),
        request: Request::Invoke(nothing_to_do()),
    };
    for _ in 0..ROUNDS {
        rehearse_event(guest, &event).await?;
        event.wake = None;
    }
    prove_itself(guest).await
}

/// The agent's own part of a proof.
async fn prove_itself(guest: &GuestConnection) -> Result<(), ProofError> {
    let own = Opening {
        wake: None,
        request: Request::Prove,
    };
    guest.call(&own).await.map_err(ProofError::Guest)?;
    Ok(())
}

async fn rehearse_event(guest: &GuestConnection, event: &Opening) -> Result<(), ProofError> {
    let started = guest.run(event).await;
    let (_input, mut output) = started.map_err(ProofError::Guest)?;
    loop {
        let piece = output.next_of_invocation().await;
        let InvocationOutput::End(invoked) = piece.map_err(ProofError::Guest)? else {
            continue;
        };
        if invoked.outcome == Outcome::Returned {
            return Ok(());
        }
        let message = format!("the function answered its proof with {:?}", invoked.outcome);
        return Err(ProofError::Guest(GuestError::Failed(Failure {
            kind: FailureKind::System,
            message,
        })));
    }
}

/// Pauses a clone that has had a moment without work. What its kernel puts off, such as freeing what a process
/// left, would come to pass in the middle of its first request otherwise, and nothing of it would be translated.
async fn pause_settled(machine: &dyn Machine) -> Result<(), ProofError> {
    // No event tells of the end of work that a kernel puts off.
    let _ = tokio::time::timeout(SETTLE, std::future::pending::<()>()).await;
    machine.pause().await?;
    Ok(())
}

/// Runs something to its end; an image without the program has nothing to warm.
async fn run(guest: &GuestConnection, opening: &Opening) -> Result<(), ProofError> {
    let started = guest.run(opening).await;
    let (_input, mut output) = started.map_err(ProofError::Guest)?;
    loop {
        match output.next().await {
            Ok(Output::Stdout(_) | Output::Stderr(_)) => {}
            Ok(Output::Exit(_)) => return Ok(()),
            Err(GuestError::Failed(failure)) if is_not_there(failure.kind) => return Ok(()),
            Err(error) => return Err(ProofError::Guest(error)),
        }
    }
}

fn is_not_there(kind: FailureKind) -> bool {
    matches!(
        kind,
        FailureKind::ProgramNotFound
            | FailureKind::ProgramNotExecutable
            | FailureKind::NoInterpreter
    )
}

fn snippet() -> CodeRun {
    CodeRun {
        language: Language::Python,
        code: "print(6*7)\n".to_owned(),
        env: an_environment(),
        cwd: Some("/".to_owned()),
        stdin: false,
        timeout_ms: Some(PROGRAM_TIMEOUT_MS),
        output_limit_bytes: 1024,
        keep_interpreter: true,
    }
}

/// What every request brings, so that its way is known.
fn an_environment() -> Vec<(String, String)> {
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    vec![("PATH".to_owned(), path.to_owned())]
}

fn nothing_to_do() -> Invoke {
    Invoke {
        request_id: "proof".to_owned(),
        version: "0".to_owned(),
        content_type: Some("application/json".to_owned()),
        client_context: None,
        event: Some(r#"{"proof":[1,2.5,null,true]}"#.to_owned()),
        timeout_ms: FUNCTION_TIMEOUT_MS,
        log_limit_bytes: 1024,
        result_limit_bytes: 4096,
        reuse: false,
        pieces: false,
        rehearsal: true,
    }
}

fn nothing() -> Exec {
    Exec {
        program: Program::Argv(vec!["/bin/true".to_owned()]),
        env: an_environment(),
        cwd: Some("/".to_owned()),
        user: None,
        stdin: false,
        timeout_ms: Some(PROGRAM_TIMEOUT_MS),
        output_limit_bytes: 1024,
        pty: None,
    }
}
