//! Long-lived VMs.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{check, limits};

/// A VM that lives until it is deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateVmRequest {
    /// An image's name or digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// A template's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// A name, up to 128 characters, that no other VM has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The VM's CPUs: 1 to 32, default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 32, default = 1)]
    pub vcpus: Option<u8>,
    /// The VM's memory in MiB: 128 to 65536, default 256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 128, maximum = 65536, default = 256)]
    pub memory_mib: Option<u32>,
    /// How long to wait for the VM, in milliseconds: 1 to 3600000, default 60000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 3600000, default = 60000)]
    pub start_timeout_ms: Option<u64>,
}

impl CreateVmRequest {
    /// Everything that is wrong with it; empty when nothing is.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        check::instance(
            self.image.as_deref(),
            self.template.as_deref(),
            self.vcpus,
            self.memory_mib,
            &mut problems,
        );
        if let Some(name) = &self.name {
            check::name("name", name, &mut problems);
        }
        if let Some(start_timeout_ms) = self.start_timeout_ms {
            let most = limits::MAX_START_TIMEOUT_MS;
            check::range("start_timeout_ms", start_timeout_ms, 1, most, &mut problems);
        }
        problems
    }
}

/// What a VM is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VmState {
    /// Its CPUs run.
    Running,
}

/// A VM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VmInfo {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// The template that it came from.
    pub template: String,
    /// The image that was asked for; null when a template was.
    pub image: Option<String>,
    /// Its CPUs.
    pub vcpus: u8,
    /// Its memory in MiB.
    pub memory_mib: u32,
    /// Seconds since 1970-01-01 UTC.
    pub created_at: u64,
    /// What it is doing.
    pub state: VmState,
}

/// Every VM.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VmList {
    /// The VMs.
    pub vms: Vec<VmInfo>,
}
