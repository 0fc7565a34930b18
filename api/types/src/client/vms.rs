//! VMs that stay.

use reqwest::Method;

use super::{Client, ClientError, Download, admin::in_path};
use crate::{
    ChangeVmRequest, CreateVmRequest, ForkVmRequest, ForkVmResponse, SnapshotInfo,
    TakeSnapshotRequest, VmInfo, VmList, VmListQuery, VmLogsQuery, VmUsage,
};

impl Client {
    /// Lists one page of the VMs that a query wants.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn vms_page(&self, query: &VmListQuery) -> Result<VmList, ClientError> {
        self.get_with("/v1/vms", query).await
    }

    /// Lists all VMs that a query wants, page by page; its own cursor is where it begins.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn vms(&self, query: &VmListQuery) -> Result<VmList, ClientError> {
        let (mut query, mut all) = (query.clone(), VmList::default());
        loop {
            let page = self.vms_page(&query).await?;
            all.vms.extend(page.vms);
            match page.next_cursor {
                Some(next) => query.cursor = Some(next),
                None => return Ok(all),
            }
        }
    }

    /// Creates a VM.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn create_vm(&self, request: &CreateVmRequest) -> Result<VmInfo, ClientError> {
        self.send_json(Method::POST, "/v1/vms", request).await
    }

    /// Finds a VM by id, name, or the beginning of exactly one id.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn vm(&self, id_or_name: &str) -> Result<VmInfo, ClientError> {
        self.get(&path(id_or_name, "")).await
    }

    /// Changes a VM's name, metadata or times.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn change_vm(
        &self,
        id_or_name: &str,
        change: &ChangeVmRequest,
    ) -> Result<VmInfo, ClientError> {
        self.send_json(Method::PATCH, &path(id_or_name, ""), change)
            .await
    }

    /// Stops a VM's CPUs until it is resumed.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn pause_vm(&self, id_or_name: &str) -> Result<VmInfo, ClientError> {
        self.post(&path(id_or_name, "/pause")).await
    }

    /// Lets a paused VM go on.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn resume_vm(&self, id_or_name: &str) -> Result<VmInfo, ClientError> {
        self.post(&path(id_or_name, "/resume")).await
    }

    /// Powers a VM off and keeps its disk.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn stop_vm(&self, id_or_name: &str) -> Result<VmInfo, ClientError> {
        self.post(&path(id_or_name, "/stop")).await
    }

    /// Boots a stopped VM from its disk.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn start_vm(&self, id_or_name: &str) -> Result<VmInfo, ClientError> {
        self.post(&path(id_or_name, "/start")).await
    }

    /// Takes a snapshot of a VM, which goes on as it was.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn take_snapshot(
        &self,
        id_or_name: &str,
        request: &TakeSnapshotRequest,
    ) -> Result<SnapshotInfo, ClientError> {
        self.send_json(Method::POST, &path(id_or_name, "/snapshot"), request)
            .await
    }

    /// Makes more VMs that begin where this one is now.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn fork_vm(
        &self,
        id_or_name: &str,
        request: &ForkVmRequest,
    ) -> Result<ForkVmResponse, ClientError> {
        self.send_json(Method::POST, &path(id_or_name, "/fork"), request)
            .await
    }

    /// Says what a VM uses.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn vm_usage(&self, id_or_name: &str) -> Result<VmUsage, ClientError> {
        self.get(&path(id_or_name, "/usage")).await
    }

    /// What a VM has said on its console, and what it says next where that is followed.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn vm_logs(
        &self,
        id_or_name: &str,
        query: &VmLogsQuery,
    ) -> Result<Download, ClientError> {
        let request = self.request(Method::GET, &path(id_or_name, "/logs"));
        Ok(Download::new(self.answer(request.query(query)).await?))
    }

    /// Ends a VM and forgets it.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn delete_vm(&self, id_or_name: &str) -> Result<(), ClientError> {
        self.delete(&path(id_or_name, "")).await
    }
}

fn path(id_or_name: &str, what: &str) -> String {
    format!("/v1/vms/{}{what}", in_path(id_or_name))
}
