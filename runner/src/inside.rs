//! What is done inside a VM that stays besides running a program.

use thaw_pool_manager::{
    ExecError, ExecRequest, GuestStream, InsideRequest, StreamEvent, vmm::protocol::Reply,
};
use tokio::sync::OwnedSemaphorePermit;

use crate::{Runner, VmError, VmPass};

/// An operation under way inside a VM. Dropping it ends the operation.
#[derive(Debug)]
pub struct RunningInside {
    /// Its data.
    pub stream: GuestStream,
    pass: VmPass,
    permit: OwnedSemaphorePermit,
}

impl RunningInside {
    /// Taken apart; the operation goes on, and the VM stays awake, for as long as the parts are there.
    pub(crate) fn into_parts(self) -> (GuestStream, VmPass, OwnedSemaphorePermit) {
        (self.stream, self.pass, self.permit)
    }

    /// The next event; the last is `Done` or an error.
    ///
    /// # Errors
    /// See [`ExecError`].
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn next(&mut self) -> Result<StreamEvent, ExecError> {
        let event = self.stream.output.recv().await;
        event.unwrap_or_else(|| {
            Err(ExecError::Lost(
                "the node lost the operation without a word".to_owned(),
            ))
        })
    }
}

impl Runner {
    /// Begins something inside a VM that stays.
    ///
    /// # Errors
    /// See [`VmError`].
    pub async fn vm_inside(
        &self,
        id_or_name: &str,
        request: InsideRequest,
    ) -> Result<RunningInside, VmError> {
        let permit = self.admit_into_vm()?;
        let pass = self.enter(id_or_name).await?;
        let stream = self.node().inside(pass.id(), request).await?;
        Ok(RunningInside {
            stream,
            pass,
            permit,
        })
    }

    /// Starts a program in the background of a VM that stays; the VM's environment comes before its own.
    ///
    /// # Errors
    /// See [`VmError`].
    pub async fn vm_start(
        &self,
        id_or_name: &str,
        mut exec: ExecRequest,
    ) -> Result<Reply, VmError> {
        let pass = self.enter(id_or_name).await?;
        pass.add_env(&mut exec);
        let request = InsideRequest::Start(Box::new(exec));
        self.vm_reply(pass.id().as_str(), request).await
    }

    /// Does something inside a VM that stays that carries no data, and returns its reply.
    ///
    /// # Errors
    /// See [`VmError`].
    pub async fn vm_reply(
        &self,
        id_or_name: &str,
        request: InsideRequest,
    ) -> Result<Reply, VmError> {
        let mut running = self.vm_inside(id_or_name, request).await?;
        loop {
            if let StreamEvent::Done(reply) = running.next().await? {
                return Ok(reply);
            }
        }
    }
}
