//! A python or node that has loaded a handler and waits for events.

use std::{io, os::fd::OwnedFd};

use bytes::{Buf as _, Bytes};
use thaw_guest_protocol::{FailureKind, LoadFunction};
use tokio::{io::AsyncWriteExt as _, net::UnixStream};

use super::{
    attend::{HostSide, Process, Turn},
    message::{Answer, Ask, EventHead, LoadHead, NoAnswer, Said, encode, read_answer},
    starting::start,
};
use crate::{exec::Limits, failure::OperationError, process::Children};

const PYTHON: &str = include_str!("python_function.py");
const NODE: &str = include_str!("node_function.js");

/// Takes the source from descriptor 3 and runs it in a namespace of its own.
const PYTHON_STARTER: &str = "import _socket as s\n\
    c=s.socket(s.AF_UNIX,s.SOCK_STREAM,0,3)\n\
    n=int(c.recv(8,s.MSG_WAITALL))\n\
    exec(compile(c.recv(n,s.MSG_WAITALL),'<thaw>','exec'),{'control':c,'__name__':'<thaw>'})";

/// A warm-up or proof says no more than this.
const PING_LIMIT_BYTES: u64 = 4096;

/// What a warm-up and a proof send through the paths of an event.
const PING: &[u8] = br#"{"thaw":["ping",1,2.5,null,true]}"#;

/// A language whose process is written here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Runtime {
    Python,
    Node,
}

/// A process that has loaded the handler, or is about to.
#[derive(Debug)]
pub(super) struct Resident {
    pub(super) process: Process,
    control: UnixStream,
}

/// What came of one talk with the process.
pub(super) type Talk = Turn<Result<Said, NoAnswer>>;

impl Resident {
    /// Starts the interpreter; its handler is still to be loaded.
    ///
    /// # Errors
    /// [`FailureKind::NoInterpreter`] when the image has none.
    pub(super) async fn start(
        runtime: Runtime,
        load: &LoadFunction,
        handler: &str,
        children: &Children,
    ) -> Result<Self, OperationError> {
        let failed = |error: io::Error| OperationError::io("make a socket", &error);
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().map_err(failed)?;
        ours.set_nonblocking(true).map_err(failed)?;
        let mut control = UnixStream::from_std(ours).map_err(failed)?;
        let (name, argv): (_, &[&str]) = match runtime {
            Runtime::Python => ("python3", &["python3", "-c", PYTHON_STARTER]),
            Runtime::Node => ("node", &["node", "--expose-gc", "--eval", NODE]),
        };
        let argv: Vec<String> = argv.iter().map(|&word| word.to_owned()).collect();
        let env = [("_HANDLER".to_owned(), handler.to_owned())];
        let process = start(load, &argv, &env, Some(OwnedFd::from(theirs)), children);
        let process = process.map_err(|error| no_interpreter(error, name))?;
        if runtime == Runtime::Python {
            let mut source = format!("{:08}", PYTHON.len()).into_bytes();
            source.extend_from_slice(PYTHON.as_bytes());
            // When it has died already, its end says so.
            let _ = control.write_all(&source).await;
        }
        Ok(Self { process, control })
    }

    /// Lets the process load the handler.
    pub(super) async fn load(
        &mut self,
        handler: &str,
        folder: &str,
        host: &mut HostSide<'_>,
        limits: Limits,
    ) -> Result<Talk, OperationError> {
        let head = LoadHead { handler, folder };
        self.ask(Ask::Load, &head, &[], 0, host, limits).await
    }

    /// Lets the process run its hooks before the freeze.
    pub(super) async fn snapshot(
        &mut self,
        host: &mut HostSide<'_>,
        limits: Limits,
    ) -> Result<Talk, OperationError> {
        self.ask(Ask::Snapshot, &(), &[], 0, host, limits).await
    }

    /// Gives the process an event, or what only looks like one.
    pub(super) async fn invoke(
        &mut self,
        ask: Ask,
        head: &EventHead<'_>,
        event: &[u8],
        host: &mut HostSide<'_>,
        limits: Limits,
    ) -> Result<Talk, OperationError> {
        let limit = head.result_limit;
        self.ask(ask, head, event, limit, host, limits).await
    }

    /// Waits for what follows a piece of a result.
    pub(super) async fn next(
        &mut self,
        limit: u64,
        host: &mut HostSide<'_>,
        limits: Limits,
    ) -> Result<Talk, OperationError> {
        let talk = read_answer(&mut self.control, limit);
        self.process.attend(host, limits, talk).await
    }

    /// Sends something through the paths of an event that touches nothing of the user's.
    ///
    /// # Errors
    /// When it does not come back.
    pub(super) async fn ping(&mut self, name: &str) -> Result<(), OperationError> {
        let head = EventHead {
            request_id: "ping",
            name,
            version: "0",
            memory_mib: 0,
            timeout_ms: 1000,
            content_type: Some("application/json"),
            client_context: None,
            result_limit: PING_LIMIT_BYTES,
            pieces: false,
            restored: false,
        };
        let ask = encode(Ask::Ping, &head, PING).map_err(unsendable)?;
        let talk = talk(&mut self.control, ask, PING_LIMIT_BYTES);
        let said = tokio::select! {
            biased;
            said = talk => said,
            status = self.process.child.wait() => {
                let status = status.map_err(super::attend::lost)?;
                return Err(bad_proof(format!("its process ended with {status:?}")));
            }
        };
        match said {
            Ok(said) if said.answer == Answer::Result && !said.body.is_empty() => Ok(()),
            other => Err(bad_proof(format!("it answered with {other:?}"))),
        }
    }

    async fn ask<T: serde::Serialize>(
        &mut self,
        ask: Ask,
        head: &T,
        body: &[u8],
        limit: u64,
        host: &mut HostSide<'_>,
        limits: Limits,
    ) -> Result<Talk, OperationError> {
        let ask = encode(ask, head, body).map_err(unsendable)?;
        let talk = talk(&mut self.control, ask, limit);
        self.process.attend(host, limits, talk).await
    }
}

async fn talk(control: &mut UnixStream, mut ask: Bytes, limit: u64) -> Result<Said, NoAnswer> {
    while ask.has_remaining() {
        control.write_buf(&mut ask).await?;
    }
    read_answer(control, limit).await
}

fn unsendable(error: io::Error) -> OperationError {
    OperationError::io("write the message to the function", &error)
}

fn bad_proof(why: String) -> OperationError {
    OperationError::refused(FailureKind::System, format!("proof of the function: {why}"))
}

fn no_interpreter(error: OperationError, name: &str) -> OperationError {
    match error {
        OperationError::Refused(mut failure) if failure.kind == FailureKind::ProgramNotFound => {
            failure.kind = FailureKind::NoInterpreter;
            failure.message = format!("the image has no {name} in its PATH");
            OperationError::Refused(failure)
        }
        other => other,
    }
}
