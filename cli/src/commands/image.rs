//! `thaw image`

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use thaw_api_types::{
    AddImageRequest, ImageInfo, RegistryAuth, UploadKind,
    client::{Client, Upload, Work},
};

use crate::{
    arguments::Image,
    exit::Exit,
    output::{self, Progress, sending},
    server::connect,
};

pub(super) async fn run(image: Image) -> Result<Exit> {
    match image {
        Image::Add {
            source,
            name,
            username,
            connection,
        } => {
            let client = connect(&connection)?;
            let work = start(&client, &source, name, username).await?;
            let mut progress = Progress::start();
            let made = work.finish(|event| progress.show(event)).await?;
            drop(progress);
            if connection.json {
                output::json(&made)?;
            } else {
                output::line(&made.digest)?;
            }
        }
        Image::Ls { connection } => {
            let list = connect(&connection)?.images().await?;
            if connection.json {
                output::json(&list)?;
            } else {
                let rows: Vec<_> = list.images.iter().map(row).collect();
                output::table(&["NAME", "DIGEST", "SIZE", "AGE", "SOURCE"], &rows)?;
            }
        }
        Image::Rm { name, connection } => connect(&connection)?.remove_image(&name).await?,
    }
    Ok(Exit::SUCCESS)
}

/// A local file is sent; anything else the server fetches.
async fn start(
    client: &Client,
    source: &str,
    name: Option<String>,
    username: Option<String>,
) -> Result<Work<ImageInfo>> {
    if let Some((kind, file)) = local(source) {
        ensure!(
            username.is_none(),
            "--username is for images of a registry, and {source} is a file"
        );
        let upload = Upload {
            path: Path::new(file),
            kind,
            name: name.as_deref(),
        };
        return Ok(client.upload_image(upload, sending()).await?);
    }
    let auth = match username {
        None => None,
        Some(username) => Some(RegistryAuth {
            username,
            password: std::env::var("THAW_REGISTRY_PASSWORD")
                .context("--username needs the password in THAW_REGISTRY_PASSWORD")?,
        }),
    };
    let request = AddImageRequest {
        source: source.to_owned(),
        name,
        auth,
    };
    Ok(client.add_image(&request).await?)
}

fn local(source: &str) -> Option<(UploadKind, &str)> {
    let kinds = [
        UploadKind::OciArchive,
        UploadKind::DockerArchive,
        UploadKind::Rootfs,
        UploadKind::Dockerfile,
    ];
    let (kind, file) = source.split_once(':')?;
    let kind = kinds.into_iter().find(|known| known.as_str() == kind)?;
    Some((kind, file))
}

fn row(image: &ImageInfo) -> Vec<String> {
    vec![
        image.names.join(", "),
        image.digest.chars().take(19).collect(),
        output::bytes(image.size_bytes),
        output::age(image.created_at),
        image.source.clone(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_local_file_is_sent() {
        assert_eq!(local("rootfs:/a.tar"), Some((UploadKind::Rootfs, "/a.tar")));
        assert_eq!(local("docker:alpine"), None);
        assert_eq!(local("debian:bookworm+python3"), None);
    }
}
