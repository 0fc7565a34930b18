//! Functions of the node that runs in this process.

use async_trait::async_trait;
use thaw_image::ProgressSink;
use tokio::sync::watch;

use crate::{
    BakeFunction, ExecError, InvokeHandle, InvokeRequest, LeaseError, LeaseId, LocalNode,
    NodeFunctions, Shortage, TemplateInfo,
    invoke::{agent_request, pump},
};

#[async_trait]
impl NodeFunctions for LocalNode {
    async fn bake_function(
        &self,
        request: BakeFunction,
        progress: &ProgressSink,
    ) -> Result<TemplateInfo, LeaseError> {
        let pool = self.pools.find_or_bake_function(request, progress).await?;
        Ok(self.template_info(&pool.template().manifest).await)
    }

    fn shortage(&self) -> watch::Receiver<Shortage> {
        self.budget.shortage()
    }

    async fn invoke(
        &self,
        lease: &LeaseId,
        request: InvokeRequest,
    ) -> Result<InvokeHandle, ExecError> {
        let leased = self.leased(lease)?;
        let (request, rest) = agent_request(request);
        let started = leased.start(request).await?;
        let (handle, pumping) = pump(leased, started, rest);
        self.tracker.spawn(pumping);
        Ok(handle)
    }
}
