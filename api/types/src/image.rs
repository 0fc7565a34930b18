//! Images.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::check;

/// An image to make out of something that the server can reach itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddImageRequest {
    /// `docker:NAME` (the Docker daemon's), `registry:REFERENCE`, or `debian:SUITE+package,package`.
    #[schema(example = "debian:bookworm+python3")]
    pub source: String,
    /// The image's name, up to 128 characters; one is made of the source when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// For registries that want it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<RegistryAuth>,
}

/// Credentials of a registry; never logged and not kept.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegistryAuth {
    /// The user.
    pub username: String,
    /// The password or access token.
    pub password: String,
}

/// What an upload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UploadKind {
    /// A tar of an OCI image layout.
    OciArchive,
    /// What `docker save` writes.
    DockerArchive,
    /// A tar of a root file system, or an ext4 image.
    Rootfs,
    /// A Dockerfile, or a tar of a build context that holds one.
    Dockerfile,
}

impl UploadKind {
    /// The kind as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OciArchive => "oci-archive",
            Self::DockerArchive => "docker-archive",
            Self::Rootfs => "rootfs",
            Self::Dockerfile => "dockerfile",
        }
    }
}

/// How an upload is described in the query.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UploadQuery {
    /// What the body is; needed for uploads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<UploadKind>,
    /// The image's name; one is made of the digest when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// An image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImageInfo {
    /// `sha256:…`.
    pub digest: String,
    /// Its names.
    pub names: Vec<String>,
    /// `squashfs` or `ext4`.
    pub fs: String,
    /// The root file system's size in bytes.
    pub size_bytes: u64,
    /// Seconds since 1970-01-01 UTC.
    pub created_at: u64,
    /// Where it came from.
    pub source: String,
    /// What it says of how to run it.
    pub config: ImageConfig,
}

/// What an image says of how to run it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImageConfig {
    /// `KEY=VALUE`.
    pub env: Vec<String>,
    /// WORKDIR.
    pub workdir: Option<String>,
    /// USER.
    pub user: Option<String>,
    /// ENTRYPOINT.
    pub entrypoint: Vec<String>,
    /// CMD.
    pub cmd: Vec<String>,
}

/// Every image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImageList {
    /// The images.
    pub images: Vec<ImageInfo>,
}

impl AddImageRequest {
    /// Everything that is wrong with it; empty when nothing is.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let kinds = ["docker:", "registry:", "debian:"];
        if !kinds.iter().any(|kind| self.source.starts_with(kind)) {
            problems.push(
                "source starts with docker:, registry: or debian:; files are sent as uploads"
                    .to_owned(),
            );
        }
        if let Some(name) = &self.name {
            check::name("name", name, &mut problems);
        }
        problems
    }
}

impl std::fmt::Debug for RegistryAuth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegistryAuth").finish_non_exhaustive()
    }
}
