//! The places that images come from. Each yields layers and a configuration, or a filesystem as it is.

mod archive;
mod debian;
mod docker;
mod dockerfile;
mod error;
mod oci;
mod registry;
mod root;
mod rootfs;
mod source;

pub(crate) use archive::{docker_archive, oci_archive};
pub(crate) use debian::{debian, host_suite};
pub(crate) use docker::{Daemon, DockerEndpoint};
pub(crate) use dockerfile::dockerfile;
pub use error::{ArchiveError, DockerError, RegistryError, RootFsError};
pub use registry::RegistryAuth;
pub(crate) use registry::registry;
pub(crate) use root::{LayerBlob, Root, apply_layers};
pub(crate) use rootfs::rootfs;
pub(crate) use source::checked_reference;
pub use source::{
    DebianPackage, DebianSuite, DockerContext, ImageSource, InvalidSource, Upload, builtin_recipe,
};
