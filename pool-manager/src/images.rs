//! Images as the node shows them, and as requests name them.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
    sync::Arc,
};

use thaw_image::{
    AddError, AddOptions, DockerContext, Image, ImageSource, ImageStore, ProgressSink, RemoveError,
    Upload,
};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::{AddImage, AdminError, ImageInfo, blocking::blocking};

/// A Dockerfile without a context is text of at most this size.
const MAX_DOCKERFILE_BYTES: u64 = 1 << 20;

pub(crate) fn info(image: &Image) -> ImageInfo {
    ImageInfo {
        digest: image.digest.to_string(),
        names: image
            .names
            .iter()
            .map(|name| name.as_str().to_owned())
            .collect(),
        fs: image.fs.as_str().to_owned(),
        size_bytes: image.size_bytes,
        created_at: image.created_at,
        source: image.source.clone(),
        config: image.config.clone(),
    }
}

pub(crate) fn infos(images: Vec<Arc<Image>>) -> Vec<ImageInfo> {
    images.iter().map(|image| info(image)).collect()
}

/// Makes an image. Its future is driven from a thread that may block, because it is not `Send` for
/// every lifetime (a limit of the compiler: rust-lang/rust#102211).
///
/// # Cancel safety
/// Dropping the future ends what it started.
pub(crate) async fn add(
    store: Arc<ImageStore>,
    source: ImageSource,
    options: AddOptions,
    progress: ProgressSink,
) -> Result<Arc<Image>, AddError> {
    let cancelled = CancellationToken::new();
    let _cancel = cancelled.clone().drop_guard();
    let runtime = Handle::current();
    let adding = move || {
        let adding = store.add(source, options, &progress);
        runtime.block_on(cancelled.run_until_cancelled(adding))
    };
    match blocking(adding).await {
        Some(made) => made,
        // Only when this future is dropped, and then nobody polls it any more.
        None => std::future::pending().await,
    }
}

/// What a request to make an image means.
pub(crate) fn parse(request: AddImage) -> Result<(ImageSource, AddOptions), AdminError> {
    let source = match request.upload {
        None => request
            .source
            .parse()
            .map_err(thaw_image::AddError::Source)?,
        Some(path) => uploaded(&request.source, path)?,
    };
    let name = request.name.as_deref().map(str::parse).transpose();
    let options = AddOptions {
        name: name.map_err(thaw_image::AddError::Name)?,
        auth: request.auth,
    };
    Ok((source, options))
}

fn uploaded(kind: &str, path: std::path::PathBuf) -> Result<ImageSource, AdminError> {
    match kind {
        "oci-archive" => Ok(ImageSource::OciArchive(Upload { path })),
        "docker-archive" => Ok(ImageSource::DockerArchive(Upload { path })),
        "rootfs" => Ok(ImageSource::RootFs(Upload { path })),
        "dockerfile" => Ok(ImageSource::Dockerfile {
            context: context(&path).map_err(|source| AdminError::Io {
                what: "read the uploaded Dockerfile",
                source,
            })?,
            build_args: Default::default(),
        }),
        other => Err(AdminError::Bad(format!(
            "{other:?} takes no upload; with one, use oci-archive, docker-archive, rootfs or dockerfile"
        ))),
    }
}

/// A Dockerfile alone is text; anything else is a tar, and whether it is a sound one shows when it is built.
fn context(path: &Path) -> io::Result<DockerContext> {
    let mut text = Vec::new();
    File::open(path)?
        .take(MAX_DOCKERFILE_BYTES + 1)
        .read_to_end(&mut text)?;
    let is_text = text.len() as u64 <= MAX_DOCKERFILE_BYTES && !text.contains(&0);
    match String::from_utf8(text) {
        Ok(text) if is_text => Ok(DockerContext::Text(text)),
        _ => Ok(DockerContext::Tar(Upload {
            path: path.to_owned(),
        })),
    }
}

pub(crate) fn removal_failed(name: &str, error: RemoveError) -> AdminError {
    match error {
        RemoveError::NotFound(_) => AdminError::NotFound {
            kind: "image",
            name: name.to_owned(),
        },
        RemoveError::InUse { .. } => AdminError::InUse {
            kind: "image",
            name: name.to_owned(),
            by: error.to_string(),
        },
        RemoveError::Store(error) => AdminError::Io {
            what: "remove the image",
            source: io::Error::other(error),
        },
    }
}
