//! Running programs.

use reqwest::{Method, Response, header};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Client, ClientError, SseDecoder, SseEvent};
use crate::{ExecEvent, ExecRequest, ExecResponse, VmExecRequest};

impl Client {
    /// Runs a program in a fresh VM and returns what it wrote.
    ///
    /// # Errors
    /// See [`ClientError`].
    ///
    /// # Cancel safety
    /// Dropped before it returns, the program and its VM end.
    pub async fn exec(&self, request: &ExecRequest) -> Result<ExecResponse, ClientError> {
        self.send_json(Method::POST, "/v1/exec", request).await
    }

    /// Runs a program in a fresh VM and returns its output as it comes.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn exec_stream(&self, request: &ExecRequest) -> Result<ExecStream, ClientError> {
        self.open_stream("/v1/exec", request).await
    }

    /// Runs a program in a VM that is there and returns what it wrote.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn vm_exec(
        &self,
        vm: &str,
        request: &VmExecRequest,
    ) -> Result<ExecResponse, ClientError> {
        let path = format!("/v1/vms/{}/exec", super::admin::in_path(vm));
        self.send_json(Method::POST, &path, request).await
    }

    /// Runs a program in a VM that is there and returns its output as it comes.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn vm_exec_stream(
        &self,
        vm: &str,
        request: &VmExecRequest,
    ) -> Result<ExecStream, ClientError> {
        let path = format!("/v1/vms/{}/exec", super::admin::in_path(vm));
        self.open_stream(&path, request).await
    }

    async fn open_stream<B: Serialize>(
        &self,
        path: &str,
        request: &B,
    ) -> Result<ExecStream, ClientError> {
        let request = self
            .request(Method::POST, path)
            .header(header::ACCEPT, "text/event-stream")
            .json(request);
        let response = self.answer(request).await?;
        Ok(ExecStream(EventStream::new(response)))
    }
}

/// The output of a running program. Dropping it ends the program.
#[derive(Debug)]
pub struct ExecStream(EventStream);

impl ExecStream {
    /// The next event; the last is [`ExecEvent::Exit`] or [`ExecEvent::Error`].
    ///
    /// # Errors
    /// [`ClientError::CutOff`] when the server hung up before that.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn next(&mut self) -> Result<ExecEvent, ClientError> {
        loop {
            let event = self.0.next().await?;
            return Ok(match event.event.as_str() {
                "stdout" => ExecEvent::Stdout(read(&event)?),
                "stderr" => ExecEvent::Stderr(read(&event)?),
                "exit" => ExecEvent::Exit(read(&event)?),
                "error" => ExecEvent::Error(read(&event)?),
                // Events of a later version.
                _ => continue,
            });
        }
    }
}

pub(super) fn read<T: DeserializeOwned>(event: &SseEvent) -> Result<T, ClientError> {
    serde_json::from_str(&event.data).map_err(|source| ClientError::EventData {
        event: event.event.clone(),
        source,
    })
}

/// The events of one answer.
#[derive(Debug)]
pub(super) struct EventStream {
    response: Response,
    decoder: SseDecoder,
}

impl EventStream {
    pub(super) fn new(response: Response) -> Self {
        Self {
            response,
            decoder: SseDecoder::default(),
        }
    }

    pub(super) async fn next(&mut self) -> Result<SseEvent, ClientError> {
        loop {
            if let Some(event) = self.decoder.next_event()? {
                return Ok(event);
            }
            match self.response.chunk().await.map_err(ClientError::Answer)? {
                Some(bytes) => self.decoder.push(&bytes),
                None => return Err(ClientError::CutOff),
            }
        }
    }
}
