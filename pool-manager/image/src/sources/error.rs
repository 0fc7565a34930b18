//! Why a source yields no image.

use std::io;

use crate::digest::{Digest, InvalidDigest};
use crate::tar::TarError;

/// A fault in an archive of an image, or in an image's own documents.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The outer tar is at fault.
    #[error("reading the archive")]
    Tar(#[from] TarError),
    /// It could not be read.
    #[error("reading the archive")]
    Read(#[from] io::Error),
    /// A file that the format requires is not in it.
    #[error("the archive has no {0}: it is not an image of this kind")]
    Missing(String),
    /// A document in it is not what the format requires.
    #[error("{document} of the image cannot be understood")]
    Document {
        /// Which document.
        document: String,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// A document that is far too large.
    #[error("{document} of the image is larger than {limit} bytes")]
    DocumentTooLarge {
        /// Which document.
        document: String,
        /// The bound.
        limit: u64,
    },
    /// A digest that is none.
    #[error("the image names a digest that Thaw does not know")]
    Digest(#[from] InvalidDigest),
    /// A blob is not what its descriptor says.
    #[error("the image's blob {expected} hashes to {found}: the archive is damaged")]
    DigestMismatch {
        /// What the descriptor says.
        expected: Digest,
        /// What is there.
        found: Digest,
    },
    /// Nothing for this machine.
    #[error("the image is for {found}, this machine runs {wanted}")]
    WrongArchitecture {
        /// What the image is for.
        found: String,
        /// What runs here.
        wanted: String,
    },
    /// Something else than one image.
    #[error("the archive holds {0} images; give one that holds a single image")]
    NotOneImage(usize),
    /// An artifact of another kind.
    #[error("this is not a container image but {0}")]
    NotAnImage(String),
    /// The documents contradict one another.
    #[error("the image has {layers} layers but {diff_ids} digests of unpacked layers")]
    LayerCount {
        /// Layers in the manifest.
        layers: usize,
        /// Digests in the configuration.
        diff_ids: usize,
    },
}

/// Why a registry gave no image.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// Not a reference.
    #[error("{reference:?} is not an image reference")]
    Reference {
        /// What was given.
        reference: String,
        /// Why not.
        #[source]
        source: oci_client::ParseError,
    },
    /// No such image, or a private one.
    #[error("{registry} has no image {reference}")]
    NotFound {
        /// The registry.
        registry: String,
        /// The image.
        reference: String,
    },
    /// Not for this caller.
    #[error("{registry} does not let these credentials pull {reference}")]
    Unauthorised {
        /// The registry.
        registry: String,
        /// The image.
        reference: String,
    },
    /// No answer, or not the answer of a registry.
    #[error("cannot pull from the registry {registry}")]
    Unavailable {
        /// The registry.
        registry: String,
        /// What the client said.
        #[source]
        source: oci_client::errors::OciDistributionError,
    },
    /// The registry's answer makes no sense.
    #[error("the registry {registry} sent something that is not an image Thaw understands")]
    NotUnderstood {
        /// The registry.
        registry: String,
        /// What the client said.
        #[source]
        source: oci_client::errors::OciDistributionError,
    },
    /// A blob is not what its descriptor says.
    #[error("the registry {registry} sent a blob that does not hash to {expected}")]
    DigestMismatch {
        /// The registry.
        registry: String,
        /// What was asked for.
        expected: String,
    },
    /// A blob longer or shorter than its descriptor says.
    #[error("the registry {registry} sent {found} bytes for a blob of {expected}")]
    WrongSize {
        /// The registry.
        registry: String,
        /// What the descriptor says.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// The connection broke.
    #[error("the download from {registry} broke off")]
    BrokeOff {
        /// The registry.
        registry: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// More than allowed.
    #[error("the image's layers are larger than {limit} bytes (max_root_bytes)")]
    TooLarge {
        /// The bound.
        limit: u64,
    },
    /// Writing what came failed.
    #[error("storing a downloaded layer")]
    Store(#[source] io::Error),
}

/// Why the Docker daemon gave no image.
#[derive(Debug, thiserror::Error)]
pub enum DockerError {
    /// Nobody answers.
    #[error("no Docker daemon answers at {endpoint}")]
    Unreachable {
        /// Where it was sought.
        endpoint: String,
        /// What the client said.
        #[source]
        source: bollard::errors::Error,
    },
    /// No such image there.
    #[error("the Docker daemon has no image {reference}")]
    NotFound {
        /// The image.
        reference: String,
    },
    /// It refused or failed.
    #[error("the Docker daemon failed to {attempt}")]
    Failed {
        /// What it was asked to do.
        attempt: &'static str,
        /// What it said.
        #[source]
        source: bollard::errors::Error,
    },
    /// A Dockerfile that does not build.
    #[error("the Dockerfile does not build: {message}\n{log}")]
    Build {
        /// What the daemon said.
        message: String,
        /// The last lines of the build.
        log: String,
    },
    /// More than allowed.
    #[error("the image is larger than {limit} bytes (max_root_bytes)")]
    TooLarge {
        /// The bound.
        limit: u64,
    },
    /// Writing what came failed.
    #[error("storing the exported image")]
    Store(#[source] io::Error),
}

/// Why a file is no root filesystem.
#[derive(Debug, thiserror::Error)]
pub enum RootFsError {
    /// The file could not be read or copied.
    #[error("reading the root filesystem")]
    Read(#[source] io::Error),
    /// A filesystem that is cut off.
    #[error("the {kind} filesystem needs {needed} bytes, the file has {found}: it is truncated")]
    Truncated {
        /// Which kind.
        kind: &'static str,
        /// What its superblock says.
        needed: u64,
        /// What is there.
        found: u64,
    },
    /// More than allowed.
    #[error("the root filesystem is larger than {limit} bytes (max_root_bytes)")]
    TooLarge {
        /// The bound.
        limit: u64,
    },
    /// A tar with nothing in it.
    #[error("the root filesystem is empty")]
    Empty,
    /// The caller went away.
    #[error("cancelled")]
    Cancelled,
}
