//! What a VM uses.

use std::time::Duration;

use thaw_pool_manager::{
    ExecError, HostUsage, InsideRequest, LeaseId, StreamEvent,
    vmm::protocol::{GuestUsage, Reply},
};
use tokio::time::timeout;

use super::{VmInfo, VmStatus};
use crate::{Runner, VmError};

/// How long a guest may take to say what it uses; one that is being paused meanwhile does not say it.
const ANSWER: Duration = Duration::from_secs(10);

/// What a VM uses, as the guest counts it and as its host does.
#[derive(Debug, Clone, PartialEq)]
pub struct VmUsage {
    /// The VM.
    pub vm: VmInfo,
    /// The guest's figures; none when it does not run.
    pub guest: Option<GuestUsage>,
    /// The host's.
    pub host: HostUsage,
}

impl Runner {
    /// What a VM uses. Asking is no use of it: a VM that sleeps is not woken, and one that nobody uses goes to
    /// sleep all the same.
    ///
    /// # Errors
    /// See [`VmError`].
    pub async fn vm_usage(&self, id_or_name: &str) -> Result<VmUsage, VmError> {
        let vm = self.find_vm(id_or_name)?.info();
        let guest = match vm.state {
            VmStatus::Running => self.ask_guest(&vm.id).await?,
            VmStatus::Paused(_) | VmStatus::Stopped { .. } => None,
        };
        let host = self.node().host_usage(&vm.id).await?;
        Ok(VmUsage { vm, guest, host })
    }

    async fn ask_guest(&self, id: &LeaseId) -> Result<Option<GuestUsage>, VmError> {
        let asking =
            async {
                let mut stream = self.node().inside(id, InsideRequest::Usage).await?;
                stream.output.recv().await.unwrap_or_else(|| {
                    Err(ExecError::Lost("it did not say what it uses".to_owned()))
                })
            };
        match timeout(ANSWER, asking).await {
            Ok(Ok(StreamEvent::Done(Reply::Usage(usage)))) => Ok(Some(usage)),
            Ok(Ok(_)) => {
                let why = "its answer to what it uses makes no sense".to_owned();
                Err(ExecError::Lost(why).into())
            }
            Err(_) | Ok(Err(ExecError::Paused(_))) => Ok(None),
            Ok(Err(error)) => Err(error.into()),
        }
    }
}
