//! A runtime: its process, and the server that it talks to.

use bytes::Bytes;
use serde::Deserialize;
use thaw_guest_protocol::{FailureKind, FrameKind, Invoke, LoadFunction};

use super::{
    api::Api,
    environment::environment,
    exchange::{Told, Waiting, serve, until_ready},
};
use crate::{
    agent::Agent,
    exec::Limits,
    failure::OperationError,
    functions::{
        attend::{HostSide, Process, Turn},
        load::Initialised,
        loaded::Server,
        starting::start,
    },
};

/// How much of an error's description is told with the output of an initialisation that failed.
const REPORT_BYTES: usize = 16 * 1024;

/// A runtime that has asked for its first event, or to be told of its thaw.
#[derive(Debug)]
pub(in crate::functions) struct Runtime {
    // Fields are dropped in this order: the process ends before its connections do.
    pub(in crate::functions) process: Process,
    api: Api,
    /// What it waits for, as far as that is known: between two events its request may still be in the queue.
    waiting: Option<Waiting>,
}

impl Runtime {
    /// Starts the program and waits until it asks for its first event.
    ///
    /// # Errors
    /// Those of starting a program.
    pub(in crate::functions) async fn load(
        load: &LoadFunction,
        argv: &[String],
        handler: Option<&str>,
        agent: &Agent,
        host: &mut HostSide<'_>,
        limits: Limits,
    ) -> Result<Initialised, OperationError> {
        if argv.is_empty() {
            return Err(OperationError::refused(
                FailureKind::BadRequest,
                "the image has no entrypoint; name the program that speaks the Lambda Runtime API",
            ));
        }
        let api = Api::listen().await;
        let mut api = api.map_err(|error| OperationError::io("listen on the loopback", &error))?;
        let env = environment(load, handler, &api.address);
        let mut process = start(load, argv, &env, None, agent.children())?;
        let turn = process
            .attend(host, limits, until_ready(&mut api.calls))
            .await?;
        let waiting = match turn {
            Turn::Heard(Ok(waiting)) => waiting,
            failed => {
                if let Turn::Heard(Err(report)) = &failed {
                    tell(report, host)?;
                }
                return Ok(Initialised::failed(&failed, &process));
            }
        };
        Ok(Initialised::Ready(Server::Lambda(Box::new(Self {
            process,
            api,
            waiting: Some(waiting),
        }))))
    }

    /// Gives the runtime an event.
    ///
    /// # Errors
    /// When the host went away.
    pub(in crate::functions) async fn invoke(
        &mut self,
        function: &str,
        invoke: &Invoke,
        event: Bytes,
        host: &mut HostSide<'_>,
        limits: Limits,
    ) -> Result<Turn<Told>, OperationError> {
        self.process.allow(invoke.log_limit_bytes);
        let waiting = self.waiting.take();
        let talk = serve(&mut self.api.calls, waiting, function, invoke, event);
        self.process.attend(host, limits, talk).await
    }
}

/// The error that the runtime has reported joins what it has said: not every runtime says it itself.
fn tell(report: &[u8], host: &mut HostSide<'_>) -> Result<(), OperationError> {
    let line = line(report);
    let line = &line.as_bytes()[..line.len().min(REPORT_BYTES)];
    Ok(host.output.data(FrameKind::Stderr, line)?)
}

/// Type and message, where it is described as is usual.
fn line(report: &[u8]) -> String {
    match serde_json::from_slice::<Report>(report) {
        Ok(Report { kind, message }) => format!("{kind}: {message}\n"),
        Err(_) => format!("{}\n", String::from_utf8_lossy(report)),
    }
}

/// The parts of an error's description that every runtime sends.
#[derive(Debug, Deserialize)]
struct Report {
    #[serde(rename = "errorType")]
    kind: String,
    #[serde(rename = "errorMessage")]
    message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_in_a_line() {
        let usual = br#"{"errorMessage": "no module", "errorType": "Import", "stackTrace": []}"#;
        assert_eq!(line(usual), "Import: no module\n");
        assert_eq!(line(b"[1]"), "[1]\n");
    }
}
