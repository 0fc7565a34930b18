//! `registry:`: pulled from a registry, every byte checked against the digest that asked for it.

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use oci_client::client::{Client, ClientConfig, ClientProtocol};
use oci_client::errors::{DigestError, OciDistributionError, OciErrorCode};
use oci_client::manifest::{ImageIndexEntry, OciDescriptor, OciManifest};
use oci_client::{Reference, secrets};

use crate::digest::{Digest, Hashing};
use crate::error::AddError;
use crate::progress::Progress;
use crate::sources::checked_reference;
use crate::sources::oci::{self, Descriptor, MAX_DOCUMENT_BYTES, Platform};
use crate::sources::{ArchiveError, LayerBlob, RegistryError, Root, apply_layers};
use crate::tar::Span;
use crate::work::{Work, blocking};

/// How long a registry may take to accept a connection, and how long it may be silent in the middle of an answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// Layers that are downloaded at once.
const PARALLEL_LAYERS: usize = 3;

/// Credentials for a registry. Never logged.
#[derive(Clone, PartialEq, Eq)]
pub struct RegistryAuth {
    /// User name.
    pub username: String,
    /// Password or token.
    pub password: String,
}

impl fmt::Debug for RegistryAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryAuth")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// A reference at its registry, and how to talk to it.
struct Remote {
    client: Client,
    reference: Reference,
    auth: secrets::RegistryAuth,
}

/// Pulls and indexes the image for this machine.
pub(crate) async fn registry(
    work: &Work,
    reference: &str,
    auth: Option<&RegistryAuth>,
) -> Result<Root, AddError> {
    let remote = Remote::new(reference, auth)?;
    work.report(Progress::Resolving {
        source: format!("registry:{reference}"),
    });
    let manifest = remote.image_manifest().await?;
    let config = remote.document(work, &manifest.config).await?;
    let (config, diff_ids) = oci::read_config(&config, manifest.layers.len())?;
    for layer in &manifest.layers {
        oci::check_layer(&layer.media_type)?;
    }
    let total: u64 = manifest
        .layers
        .iter()
        .map(size)
        .fold(0, u64::saturating_add);
    if total > work.limits.max_root_bytes {
        return Err(AddError::Registry(RegistryError::TooLarge {
            limit: work.limits.max_root_bytes,
        }));
    }
    let layers = manifest.layers.len();
    let downloads = manifest.layers.iter().enumerate().map(|(at, layer)| {
        let report = move |bytes_done| {
            work.report(Progress::Pulling {
                layer: at + 1,
                layers,
                bytes_done,
                bytes_total: Some(size(layer)),
            });
        };
        remote.blob(work, layer, report)
    });
    let files: Vec<File> = futures::stream::iter(downloads)
        .buffered(PARALLEL_LAYERS)
        .try_collect()
        .await?;
    let work = work.clone();
    blocking(move || {
        let mut layers = Vec::new();
        for (file, diff_id) in files.into_iter().zip(diff_ids) {
            layers.push(LayerBlob {
                data: Span::whole(file).map_err(AddError::Staging)?,
                diff_id: Some(diff_id),
            });
        }
        Ok(Root::Tree(apply_layers(&work, layers)?, config))
    })
    .await
}

impl Remote {
    fn new(reference: &str, auth: Option<&RegistryAuth>) -> Result<Self, AddError> {
        let checked = checked_reference(reference)?;
        let parsed: Reference = checked.parse().map_err(|source| RegistryError::Reference {
            reference: checked.to_owned(),
            source,
        })?;
        let protocol = match is_loopback(parsed.resolve_registry()) {
            true => ClientProtocol::Http,
            false => ClientProtocol::Https,
        };
        let client = Client::new(ClientConfig {
            protocol,
            connect_timeout: Some(CONNECT_TIMEOUT),
            read_timeout: Some(READ_TIMEOUT),
            ..ClientConfig::default()
        });
        let auth = match auth {
            Some(auth) => {
                secrets::RegistryAuth::Basic(auth.username.clone(), auth.password.clone())
            }
            None => secrets::RegistryAuth::Anonymous,
        };
        Ok(Self {
            client,
            reference: parsed,
            auth,
        })
    }

    async fn image_manifest(&self) -> Result<oci_client::manifest::OciImageManifest, AddError> {
        let (found, _) = self.manifest(&self.reference).await?;
        let index = match found {
            OciManifest::Image(image) => return Ok(image),
            OciManifest::ImageIndex(index) => index,
        };
        let entries: Vec<Descriptor> = index.manifests.iter().map(descriptor).collect();
        let chosen = oci::choose(&entries)?;
        let exact = self.reference.clone_with_digest(chosen.digest.clone());
        match self.manifest(&exact).await?.0 {
            OciManifest::Image(image) => Ok(image),
            OciManifest::ImageIndex(_) => {
                Err(ArchiveError::NotAnImage("an index inside an index".to_owned()).into())
            }
        }
    }

    async fn manifest(
        &self,
        reference: &Reference,
    ) -> Result<(OciManifest, String), RegistryError> {
        let pulled = self.client.pull_manifest(reference, &self.auth).await;
        pulled.map_err(|source| self.failed(source))
    }

    /// A small blob.
    async fn document(&self, work: &Work, blob: &OciDescriptor) -> Result<Vec<u8>, AddError> {
        if size(blob) > MAX_DOCUMENT_BYTES {
            return Err(AddError::Archive(ArchiveError::DocumentTooLarge {
                document: "the configuration".to_owned(),
                limit: MAX_DOCUMENT_BYTES,
            }));
        }
        let file = self.blob(work, blob, |_| {}).await?;
        let span = Span::whole(file).map_err(AddError::Staging)?;
        let mut bytes = vec![0; span.len() as usize];
        span.read_at(&mut bytes, 0).map_err(AddError::Staging)?;
        Ok(bytes)
    }

    /// Downloads a blob into a file without a name. Never takes more than its descriptor says.
    async fn blob(
        &self,
        work: &Work,
        blob: &OciDescriptor,
        report: impl Fn(u64),
    ) -> Result<File, AddError> {
        let expected: Digest = blob.digest.parse().map_err(ArchiveError::Digest)?;
        let file = tempfile::tempfile_in(work.folder()).map_err(AddError::Staging)?;
        let mut out = Hashing::new(file);
        let pulled = self.client.pull_blob_stream(&self.reference, blob).await;
        let mut stream = pulled.map_err(|source| self.failed(source))?;
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|source| self.broke_off(source, blob))?;
            let found = out.bytes() + chunk.len() as u64;
            if found > size(blob) {
                return Err(AddError::Registry(self.wrong_size(blob, found)));
            }
            out = blocking(move || {
                out.write_all(&chunk).map_err(RegistryError::Store)?;
                Ok(out)
            })
            .await?;
            report(out.bytes());
        }
        let found_bytes = out.bytes();
        if found_bytes != size(blob) {
            return Err(AddError::Registry(self.wrong_size(blob, found_bytes)));
        }
        let (file, found) = out.finish();
        if found != expected {
            return Err(AddError::Registry(self.mismatch(blob)));
        }
        Ok(file)
    }

    fn name(&self) -> String {
        self.reference.resolve_registry().to_owned()
    }

    fn wrong_size(&self, blob: &OciDescriptor, found: u64) -> RegistryError {
        RegistryError::WrongSize {
            registry: self.name(),
            expected: size(blob),
            found,
        }
    }

    fn mismatch(&self, blob: &OciDescriptor) -> RegistryError {
        RegistryError::DigestMismatch {
            registry: self.name(),
            expected: blob.digest.clone(),
        }
    }

    /// The client checks digests too, and says so in an I/O error.
    fn broke_off(&self, source: std::io::Error, blob: &OciDescriptor) -> RegistryError {
        match source
            .get_ref()
            .is_some_and(|inner| inner.is::<DigestError>())
        {
            true => self.mismatch(blob),
            false => RegistryError::BrokeOff {
                registry: self.name(),
                source,
            },
        }
    }

    fn failed(&self, source: OciDistributionError) -> RegistryError {
        use OciDistributionError as E;
        let (registry, reference) = (self.name(), self.reference.to_string());
        match source {
            E::ImageManifestNotFoundError(_) | E::ServerError { code: 404, .. } => {
                RegistryError::NotFound {
                    registry,
                    reference,
                }
            }
            E::AuthenticationFailure(_)
            | E::UnauthorizedError { .. }
            | E::ServerError {
                code: 401 | 403, ..
            } => RegistryError::Unauthorised {
                registry,
                reference,
            },
            E::RegistryError { envelope, url } => {
                let says = |codes: &[OciErrorCode]| {
                    envelope.errors.iter().any(|e| codes.contains(&e.code))
                };
                if says(&[OciErrorCode::Unauthorized, OciErrorCode::Denied]) {
                    return RegistryError::Unauthorised {
                        registry,
                        reference,
                    };
                }
                if says(&[
                    OciErrorCode::ManifestUnknown,
                    OciErrorCode::NameUnknown,
                    OciErrorCode::NotFound,
                    OciErrorCode::BlobUnknown,
                ]) {
                    return RegistryError::NotFound {
                        registry,
                        reference,
                    };
                }
                let source = E::RegistryError { envelope, url };
                RegistryError::Unavailable { registry, source }
            }
            source @ (E::RequestError(_)
            | E::ServerError { .. }
            | E::IoError(_)
            | E::GenericError(_)) => RegistryError::Unavailable { registry, source },
            source => RegistryError::NotUnderstood { registry, source },
        }
    }
}

fn size(blob: &OciDescriptor) -> u64 {
    u64::try_from(blob.size).unwrap_or(0)
}

fn descriptor(entry: &ImageIndexEntry) -> Descriptor {
    Descriptor {
        media_type: entry.media_type.clone(),
        digest: entry.digest.clone(),
        platform: entry.platform.as_ref().map(|platform| Platform {
            architecture: platform.architecture.to_string(),
            os: platform.os.to_string(),
        }),
    }
}

/// Registries on this machine are spoken to without TLS, as Docker does.
fn is_loopback(registry: &str) -> bool {
    let host = match registry.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => registry.split(':').next().unwrap_or_default(),
    };
    let address: Result<std::net::IpAddr, _> = host.parse();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_registries_on_this_machine_go_without_tls() {
        for host in [
            "localhost",
            "localhost:5000",
            "127.0.0.1:5000",
            "[::1]:5000",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "docker.io",
            "localhost.example.com",
            "127.0.0.1.nip.io:80",
            "10.0.0.1:5000",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let auth = RegistryAuth {
            username: "u".to_owned(),
            password: "hunter2".to_owned(),
        };
        assert!(!format!("{auth:?}").contains("hunter2"));
    }
}
