//! Templates.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Language, check};

/// A template to bake where it is missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EnsureTemplateRequest {
    /// An image's name or digest; the image is made where it is missing.
    pub image: String,
    /// The VM's CPUs: 1 to 32, default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 32, default = 1)]
    pub vcpus: Option<u8>,
    /// The VM's memory in MiB: 128 to 65536, default 256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 128, maximum = 65536, default = 256)]
    pub memory_mib: Option<u32>,
}

impl EnsureTemplateRequest {
    /// Everything that is wrong with it; empty when nothing is.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        check::instance(
            Some(&self.image),
            None,
            self.vcpus,
            self.memory_mib,
            &mut problems,
        );
        problems
    }
}

/// A template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TemplateInfo {
    /// Its id.
    pub id: String,
    /// The image's digest.
    pub image: String,
    /// The image's names.
    pub image_names: Vec<String>,
    /// Its VMs' CPUs.
    pub vcpus: u8,
    /// Its VMs' memory in MiB.
    pub memory_mib: u32,
    /// The VMM that it fits, such as `qemu 7.2.22 (tcg)`.
    pub engine: String,
    /// The guest kernel's release.
    pub kernel: String,
    /// The guest agent's version.
    pub agent: String,
    /// Languages whose interpreter waits inside.
    pub languages: Vec<Language>,
    /// What it takes on disk, in bytes.
    pub disk_bytes: u64,
    /// What of its memory is kept in the host's memory now, in bytes; the page cache doesn't count.
    pub resident_bytes: u64,
    /// How its memory is written on the disk: `plain` or `zstd`.
    pub memory_format: String,
    /// Pages of 4 KiB that its restores are known to touch and that are mapped before they run; absent when
    /// they were not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_set_pages: Option<u64>,
    /// What the last restores cost whose memory was still being filled, at most 20, the newest last.
    #[serde(default)]
    pub last_restores: Vec<RestoreFaults>,
    /// Seconds since 1970-01-01 UTC.
    pub created_at: u64,
    /// How long its bake took, in milliseconds.
    pub bake_ms: u64,
    /// How long its cold boot took, to the guest agent's first answer, in milliseconds; 0 where it was not written down.
    #[serde(default)]
    pub boot_ms: u64,
    /// Clones and shells that use it now.
    pub in_use: u32,
}

/// What one restore cost in page faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RestoreFaults {
    /// Pages that were mapped in bulk before it ran.
    pub working_set_pages: u64,
    /// Single faults until its memory was whole.
    pub faults: u64,
}

/// Every template.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TemplateList {
    /// The templates.
    pub templates: Vec<TemplateInfo>,
}
