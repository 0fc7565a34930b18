//! `dockerfile:`: built by the Docker daemon, then read like any image of it.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;

use bollard::Docker;
use bollard::query_parameters::{BuildImageOptionsBuilder, RemoveImageOptionsBuilder};
use bytes::Bytes;
use futures::StreamExt;
use tokio_util::io::ReaderStream;
use tokio_util::task::TaskTracker;

use crate::builders::Tail;
use crate::error::AddError;
use crate::progress::Progress;
use crate::sources::{Daemon, DockerContext, DockerError, Root};
use crate::tar::{Meta, TarWriter};
use crate::work::Work;

/// Builds, reads and removes again. The daemon keeps its build cache.
pub(crate) async fn dockerfile(
    work: &Work,
    daemon: &Daemon,
    context: &DockerContext,
    build_args: &BTreeMap<String, String>,
    cleanups: &TaskTracker,
) -> Result<Root, AddError> {
    let tag = random_tag()?;
    let _tag = TagGuard {
        client: daemon.client.clone(),
        tag: tag.clone(),
        cleanups: cleanups.clone(),
    };
    build(work, daemon, context, build_args, &tag).await?;
    daemon.read_image(work, &tag).await
}

async fn build(
    work: &Work,
    daemon: &Daemon,
    context: &DockerContext,
    build_args: &BTreeMap<String, String>,
    tag: &str,
) -> Result<(), AddError> {
    let body = match context {
        DockerContext::Tar(upload) => {
            let file = File::open(&upload.path).map_err(DockerError::Store)?;
            let stream = ReaderStream::with_capacity(tokio::fs::File::from_std(file), 256 * 1024);
            bollard::body_try_stream(stream)
        }
        DockerContext::Text(text) => {
            bollard::body_full(single_file(text).map_err(DockerError::Store)?)
        }
    };
    let arguments: HashMap<&str, &str> = build_args
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    let options = BuildImageOptionsBuilder::default()
        .dockerfile("Dockerfile")
        .t(tag)
        .rm(true)
        .forcerm(true)
        .buildargs(&arguments)
        .build();
    let mut log = Tail::default();
    let mut events = daemon.client.build_image(options, None, Some(body));
    while let Some(event) = events.next().await {
        let event = event.map_err(|source| failed(source, &log))?;
        let said = event.stream.or(event.status).unwrap_or_default();
        for line in said.lines().filter(|line| !line.trim().is_empty()) {
            let line = log.push(line);
            work.report(Progress::Building { line });
        }
    }
    Ok(())
}

/// Tells what the Dockerfile did wrong from what the daemon did.
fn failed(source: bollard::errors::Error, log: &Tail) -> DockerError {
    use bollard::errors::Error;
    let message = match source {
        Error::DockerStreamError { error } => error,
        // A Dockerfile that cannot be parsed is answered with 400 before the build begins.
        Error::DockerResponseServerError {
            status_code: 400,
            message,
        } => message,
        source => {
            return DockerError::Failed {
                attempt: "build the Dockerfile",
                source,
            };
        }
    };
    DockerError::Build {
        message,
        log: log.text(),
    }
}

/// A context that holds nothing but the Dockerfile.
fn single_file(text: &str) -> std::io::Result<Bytes> {
    let mut tar = TarWriter::new(Vec::new());
    let meta = Meta {
        mode: 0o644,
        ..Meta::default()
    };
    tar.append_bytes(b"Dockerfile", &meta, text.as_bytes())?;
    tar.finish().map(Bytes::from)
}

fn random_tag() -> Result<String, AddError> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|e| AddError::Staging(e.into()))?;
    Ok(format!("thaw-build:{}", hex::encode(random)))
}

/// Takes the tag away again, also when the caller has gone: a task that the store waits for when it closes.
struct TagGuard {
    client: Docker,
    tag: String,
    cleanups: TaskTracker,
}

impl Drop for TagGuard {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let (client, tag) = (self.client.clone(), std::mem::take(&mut self.tag));
        let remove = async move {
            // Its layers stay: they are the daemon's build cache.
            let options = RemoveImageOptionsBuilder::default().noprune(true).build();
            if let Err(error) = client.remove_image(&tag, Some(options), None).await {
                tracing::debug!(tag, %error, "the tag of a build was not there to be removed");
            }
        };
        self.cleanups.spawn_on(remove, &runtime);
    }
}
