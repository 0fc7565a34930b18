//! Root filesystems from Docker, registries, archives, Dockerfiles and Debian packages.
//!
//! [`ImageStore::add`] turns an [`ImageSource`] into an [`Image`]: a read-only root filesystem in a folder named by its digest,
//! shared by every VM that runs it. The host never mounts it and never creates a path that an image chose.

mod builders;
mod digest;
mod error;
mod image;
mod layers;
mod name;
mod progress;
mod sources;
pub mod store;
mod tar;
mod work;

pub use builders::{BuilderError, MissingTool, check_tools};
pub use digest::{Digest, InvalidDigest};
pub use error::{AddError, ErrorKind};
pub use image::{Image, ImageConfig, RootFs, VerifyError};
pub use layers::{LayerError, Limits};
pub use name::{ImageName, InvalidName, MAX_NAME_CHARS};
pub use progress::{Progress, ProgressSink};
pub use sources::{
    ArchiveError, DebianPackage, DebianSuite, DockerContext, DockerError, ImageSource,
    InvalidSource, RegistryAuth, RegistryError, RootFsError, Upload, builtin_recipe,
};
pub use store::{
    AddOptions, ImagePin, ImageStore, RemoveError, RemovedImage, Resolution, StoreError,
    StoreOptions,
};
pub use tar::TarError;
