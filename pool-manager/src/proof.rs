//! Takes a restored clone once through the path of a real exec, so that it is known to work and its
//! code is warm (under software emulation the first exec after a restore costs 150 ms, the next 20).
//!
//! The clone is not woken for this: nothing of it stays, and its first request wakes it.

use std::time::Duration;

use thaw_vmm::{
    ControlError, GuestError, Machine,
    protocol::{FailureKind, Opening, Request},
};
use thiserror::Error;

/// A clone that did not pass.
#[derive(Debug, Error)]
pub(crate) enum ProofError {
    #[error("could not let the clone run, or stop it")]
    Control(#[from] ControlError),
    #[error("the clone failed its proof")]
    Guest(#[source] GuestError),
    #[error("the clone did not finish its proof within {0:?}")]
    TimedOut(Duration),
}

/// Runs a paused clone through its proof and pauses it again.
///
/// # Cancel safety
/// Not cancel safe: the clone may run on.
pub(crate) async fn prove(machine: &dyn Machine, within: Duration) -> Result<(), ProofError> {
    let proof = async {
        let opening = Opening {
            wake: None,
            request: Request::Prove,
        };
        machine.resume().await?;
        match machine.guest().call(&opening).await {
            Ok(_) => {}
            // An agent of the previous protocol version does not know proofs; that it answered is one.
            Err(GuestError::Failed(failure)) if failure.kind == FailureKind::BadRequest => {}
            Err(error) => return Err(ProofError::Guest(error)),
        }
        machine.pause().await?;
        Ok(())
    };
    tokio::time::timeout(within, proof)
        .await
        .map_err(|_| ProofError::TimedOut(within))?
}
