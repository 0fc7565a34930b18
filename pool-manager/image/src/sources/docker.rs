//! `docker:`: an image of the Docker daemon, exported as the archive that `docker save` writes.

use std::fs::File;
use std::io::Write;

use bollard::Docker;
use bollard::errors::Error;
use futures::StreamExt;

use crate::error::AddError;
use crate::progress::Progress;
use crate::sources::checked_reference;
use crate::sources::{DockerError, Root, docker_archive};
use crate::work::{Work, blocking};

/// Where the daemon is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum DockerEndpoint {
    /// `DOCKER_HOST`, else the usual socket.
    #[default]
    Usual,
    /// `unix:///path` or `tcp://host:port`.
    At(String),
}

/// A daemon that has answered.
pub(crate) struct Daemon {
    pub(crate) client: Docker,
}

impl Daemon {
    /// Connects and asks for a sign of life.
    pub(crate) async fn connect(endpoint: &DockerEndpoint) -> Result<Self, DockerError> {
        let (name, client) = match endpoint {
            DockerEndpoint::Usual => {
                let host = std::env::var("DOCKER_HOST");
                let name = host.unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
                (name, Docker::connect_with_defaults())
            }
            DockerEndpoint::At(host) => (host.clone(), Docker::connect_with_host(host)),
        };
        let unreachable = |source| DockerError::Unreachable {
            endpoint: name.clone(),
            source,
        };
        let client = client.map_err(unreachable)?;
        client.ping().await.map_err(unreachable)?;
        Ok(Self { client })
    }

    /// Size of the image `reference` in bytes, where the daemon has it.
    pub(crate) async fn image_bytes(&self, reference: &str) -> Result<Option<u64>, DockerError> {
        match self.client.inspect_image(reference).await {
            Ok(image) => Ok(Some(
                image.size.and_then(|n| u64::try_from(n).ok()).unwrap_or(0),
            )),
            Err(Error::DockerResponseServerError {
                status_code: 404, ..
            }) => Ok(None),
            Err(source) => Err(DockerError::Failed {
                attempt: "describe the image",
                source,
            }),
        }
    }

    /// Exports and indexes the image.
    pub(crate) async fn read_image(&self, work: &Work, reference: &str) -> Result<Root, AddError> {
        let reference = checked_reference(reference)?;
        work.report(Progress::Resolving {
            source: format!("docker:{reference}"),
        });
        let Some(bytes_total) = self.image_bytes(reference).await? else {
            return Err(AddError::Docker(DockerError::NotFound {
                reference: reference.to_owned(),
            }));
        };
        let file = self.export(work, reference, bytes_total).await?;
        let work = work.clone();
        blocking(move || docker_archive(&work, file)).await
    }

    async fn export(
        &self,
        work: &Work,
        reference: &str,
        bytes_total: u64,
    ) -> Result<File, AddError> {
        let mut file = tempfile::tempfile_in(work.folder()).map_err(AddError::Staging)?;
        let mut stream = std::pin::pin!(self.client.export_image(reference));
        let (mut bytes_done, mut chunk_bytes) = (0u64, 0);
        let mut chunks = Vec::new();
        loop {
            let chunk = match stream.next().await {
                Some(chunk) => Some(chunk.map_err(|source| DockerError::Failed {
                    attempt: "export the image",
                    source,
                })?),
                None => None,
            };
            let ended = chunk.is_none();
            if let Some(chunk) = chunk {
                bytes_done += chunk.len() as u64;
                chunk_bytes += chunk.len();
                chunks.push(chunk);
            }
            if bytes_done > work.limits.max_root_bytes {
                return Err(AddError::Docker(DockerError::TooLarge {
                    limit: work.limits.max_root_bytes,
                }));
            }
            // Written in batches, off the runtime's threads.
            if ended || chunk_bytes >= 1 << 20 {
                let batch = std::mem::take(&mut chunks);
                chunk_bytes = 0;
                file = blocking(move || {
                    for chunk in batch {
                        file.write_all(&chunk).map_err(DockerError::Store)?;
                    }
                    Ok(file)
                })
                .await?;
                work.report(Progress::Pulling {
                    layer: 1,
                    layers: 1,
                    bytes_done,
                    bytes_total: Some(bytes_total),
                });
            }
            if ended {
                return Ok(file);
            }
        }
    }
}
