//! Why an image could not be added, in one type that says what sort of fault it is.

use std::error::Error;
use std::io;

use crate::builders::BuilderError;
use crate::layers::LayerError;
use crate::name::InvalidName;
use crate::sources::{ArchiveError, DockerError, InvalidSource, RegistryError, RootFsError};
use crate::store::StoreError;

/// What sort of fault an [`AddError`] is; every caller maps these and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// There is no such image.
    NotFound,
    /// The credentials are missing, wrong, or not enough.
    Unauthorised,
    /// Something that is needed does not answer or is not installed.
    Unavailable,
    /// What was given is no image, or not for this machine.
    BadInput,
    /// The image is larger than allowed.
    TooLarge,
    /// There is no space left.
    DiskFull,
    /// Thaw's own fault, or the machine's.
    Internal,
}

/// Why an image could not be added. Nothing half-made was stored.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// The name cannot be given.
    #[error("naming the image")]
    Name(#[from] InvalidName),
    /// The source makes no sense.
    #[error("reading the image source")]
    Source(#[from] InvalidSource),
    /// An archive, or the documents of an image.
    #[error("reading the image")]
    Archive(#[from] ArchiveError),
    /// A layer.
    #[error("unpacking the image")]
    Layer(#[from] LayerError),
    /// A root filesystem.
    #[error("taking the root filesystem")]
    RootFs(#[from] RootFsError),
    /// The Docker daemon.
    #[error("asking the Docker daemon")]
    Docker(#[from] DockerError),
    /// A registry.
    #[error("pulling from the registry")]
    Registry(#[from] RegistryError),
    /// A builder.
    #[error("building the image")]
    Builder(#[from] BuilderError),
    /// The store.
    #[error("storing the image")]
    Store(#[from] StoreError),
    /// The staging folder.
    #[error("working in the staging folder")]
    Staging(#[source] io::Error),
    /// A step panicked or was torn down with the runtime.
    #[error("a step of making the image did not end")]
    Step(#[source] tokio::task::JoinError),
}

impl AddError {
    /// What sort of fault this is.
    pub fn kind(&self) -> ErrorKind {
        if self.is_disk_full() {
            return ErrorKind::DiskFull;
        }
        match self {
            Self::Name(_) | Self::Source(_) | Self::Archive(_) => ErrorKind::BadInput,
            Self::Layer(error) => layer_kind(error),
            Self::RootFs(error) => match error {
                RootFsError::TooLarge { .. } => ErrorKind::TooLarge,
                RootFsError::Truncated { .. } | RootFsError::Empty => ErrorKind::BadInput,
                RootFsError::Read(_) | RootFsError::Cancelled => ErrorKind::Internal,
            },
            Self::Docker(error) => match error {
                DockerError::NotFound { .. } => ErrorKind::NotFound,
                DockerError::Unreachable { .. } | DockerError::Failed { .. } => {
                    ErrorKind::Unavailable
                }
                DockerError::Build { .. } => ErrorKind::BadInput,
                DockerError::TooLarge { .. } => ErrorKind::TooLarge,
                DockerError::Store(_) => ErrorKind::Internal,
            },
            Self::Registry(error) => registry_kind(error),
            Self::Builder(error) => match error {
                BuilderError::NotInstalled { .. } => ErrorKind::Unavailable,
                BuilderError::DiskFull { .. } => ErrorKind::DiskFull,
                // Packages that do not exist, mirrors that do not answer: the output says which.
                BuilderError::Failed { .. } => ErrorKind::BadInput,
                BuilderError::Start { .. } | BuilderError::Feed { .. } => ErrorKind::Internal,
            },
            Self::Store(_) | Self::Staging(_) | Self::Step(_) => ErrorKind::Internal,
        }
    }

    /// What the caller can do about it, where there is something.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Docker(DockerError::Unreachable { .. }) => Some(
                "start the Docker daemon (systemctl start docker), point DOCKER_HOST at it, or use registry:REFERENCE".to_owned(),
            ),
            Self::Docker(DockerError::NotFound { reference }) => {
                Some(format!("docker pull {reference}, or use registry:{reference}"))
            }
            Self::Registry(RegistryError::Unauthorised { .. }) => {
                Some("add it with a user name and password that may pull it: thaw image add registry:REFERENCE --username NAME; some registries answer so for images that do not exist".to_owned())
            }
            Self::Registry(RegistryError::NotFound { .. }) => Some("check the name and the tag".to_owned()),
            Self::Registry(RegistryError::Unavailable { .. } | RegistryError::BrokeOff { .. }) => Some(
                "check the name, and the network or proxy between this host and the registry; without either, bring the image as a file: thaw image add oci-archive:FILE --name NAME".to_owned(),
            ),
            Self::Source(InvalidSource::Reference(_)) => Some(
                "thaw image ls lists what is there; thaw image add makes an image of docker:NAME, registry:REFERENCE, debian:SUITE+package or a file".to_owned(),
            ),
            Self::Builder(BuilderError::NotInstalled { package, .. }) => Some(format!("apt-get install {package}")),
            _ if self.kind() == ErrorKind::DiskFull => {
                Some("free space under the storage root: thaw image rm takes away images that are not needed".to_owned())
            }
            _ => None,
        }
    }

    fn is_disk_full(&self) -> bool {
        let mut error: Option<&(dyn Error + 'static)> = Some(self);
        while let Some(current) = error {
            let io = current.downcast_ref::<io::Error>();
            if io.is_some_and(|io| {
                matches!(
                    io.kind(),
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
                )
            }) {
                return true;
            }
            error = current.source();
        }
        false
    }
}

fn layer_kind(error: &LayerError) -> ErrorKind {
    match error {
        LayerError::Spool { .. } | LayerError::Cancelled => ErrorKind::Internal,
        LayerError::TooLarge { .. }
        | LayerError::TooManyEntries { .. }
        | LayerError::TooMuchMetadata { .. } => ErrorKind::TooLarge,
        LayerError::Tar { .. }
        | LayerError::Damaged { .. }
        | LayerError::DigestMismatch { .. }
        | LayerError::BadPath { .. }
        | LayerError::TooManyLinks { .. }
        | LayerError::BadHardLink { .. } => ErrorKind::BadInput,
    }
}

fn registry_kind(error: &RegistryError) -> ErrorKind {
    match error {
        RegistryError::NotFound { .. } => ErrorKind::NotFound,
        RegistryError::Unauthorised { .. } => ErrorKind::Unauthorised,
        RegistryError::Unavailable { .. } | RegistryError::BrokeOff { .. } => {
            ErrorKind::Unavailable
        }
        RegistryError::TooLarge { .. } => ErrorKind::TooLarge,
        RegistryError::Store(_) => ErrorKind::Internal,
        RegistryError::Reference { .. }
        | RegistryError::NotUnderstood { .. }
        | RegistryError::DigestMismatch { .. }
        | RegistryError::WrongSize { .. } => ErrorKind::BadInput,
    }
}
