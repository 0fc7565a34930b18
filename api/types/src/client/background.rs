//! Programs in the background of VMs.

use reqwest::{Method, header};

use super::{
    Client, ClientError,
    admin::in_path,
    exec::{EventStream, read},
};
use crate::{
    BackgroundExec, BackgroundExecList, BackgroundOutput, ErrorBody, MissedOutput, OutputChunk,
    OutputQuery, SignalRequest, VmExecRequest,
};

/// One event of what a program in the background writes. The last is `Exec`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackgroundEvent {
    /// Standard output.
    Stdout(OutputChunk),
    /// Standard error.
    Stderr(OutputChunk),
    /// Output that is no longer kept.
    Missed(MissedOutput),
    /// The program has ended.
    Exec(BackgroundExec),
}

/// What a program in the background writes, as it comes. Dropping it leaves the program as it is.
#[derive(Debug)]
pub struct BackgroundStream(EventStream);

impl Client {
    /// Starts a program in the background of a VM.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn start_exec(
        &self,
        vm: &str,
        request: &VmExecRequest,
    ) -> Result<BackgroundExec, ClientError> {
        let path = format!("/v1/vms/{}/execs", in_path(vm));
        self.send_json(Method::POST, &path, request).await
    }

    /// Lists the programs in the background of a VM.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn execs(&self, vm: &str) -> Result<BackgroundExecList, ClientError> {
        self.get(&format!("/v1/vms/{}/execs", in_path(vm))).await
    }

    /// Looks at a program in the background of a VM.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn find_exec(&self, vm: &str, exec: u64) -> Result<BackgroundExec, ClientError> {
        self.get(&path(vm, exec, "")).await
    }

    /// What a program in the background of a VM has written, as far as it is kept.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn exec_output(
        &self,
        vm: &str,
        exec: u64,
        query: &OutputQuery,
    ) -> Result<BackgroundOutput, ClientError> {
        self.get_with(&path(vm, exec, "/output"), query).await
    }

    /// The same, and what it writes next, until it ends.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn follow_exec(
        &self,
        vm: &str,
        exec: u64,
        query: &OutputQuery,
    ) -> Result<BackgroundStream, ClientError> {
        let request = self
            .request(Method::GET, &path(vm, exec, "/output"))
            .query(query)
            .header(header::ACCEPT, "text/event-stream");
        let response = self.answer(request).await?;
        Ok(BackgroundStream(EventStream::new(response)))
    }

    /// Sends a signal to a program in the background of a VM.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn signal_exec(
        &self,
        vm: &str,
        exec: u64,
        signal: i32,
    ) -> Result<BackgroundExec, ClientError> {
        let request = SignalRequest { signal };
        self.send_json(Method::POST, &path(vm, exec, "/signal"), &request)
            .await
    }

    /// Forgets a program in the background of a VM, and kills it first if it runs.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn remove_exec(&self, vm: &str, exec: u64) -> Result<BackgroundExec, ClientError> {
        self.json(self.request(Method::DELETE, &path(vm, exec, "")))
            .await
    }
}

impl BackgroundStream {
    /// The next event; after [`BackgroundEvent::Exec`] there is none.
    ///
    /// # Errors
    /// [`ClientError::Refused`] when the VM was lost; [`ClientError::CutOff`] when the server hung up, which it
    /// does when it stops: the program runs on.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn next(&mut self) -> Result<BackgroundEvent, ClientError> {
        loop {
            let event = self.0.next().await?;
            return Ok(match event.event.as_str() {
                "stdout" => BackgroundEvent::Stdout(read(&event)?),
                "stderr" => BackgroundEvent::Stderr(read(&event)?),
                "missed" => BackgroundEvent::Missed(read(&event)?),
                "exec" => BackgroundEvent::Exec(read(&event)?),
                "error" => return Err(read::<ErrorBody>(&event)?.into()),
                // Events of a later version.
                _ => continue,
            });
        }
    }
}

fn path(vm: &str, exec: u64, rest: &str) -> String {
    format!("/v1/vms/{}/execs/{exec}{rest}", in_path(vm))
}
