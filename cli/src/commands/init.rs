//! `thaw init`: everything that the first exec would have to make, made now and told step by step.
//!
//! ```text
//! check the host ─► take a kernel (--kernel) ─► make an image (--rootfs, else python) ─► bake its template
//! ```
//! What is there already is kept, unless `--force` says otherwise.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use thaw_api_types::{
    EnsureTemplateRequest, ImageInfo, TemplateInfo, UploadKind,
    client::{Client, Upload},
};
use thaw_runner::node::vmm::GuestKernel;

use super::doctor::{self, Check};
use crate::{
    arguments::{Init, Storage},
    daemon::{self, kernel_file},
    embedded,
    exit::Exit,
    fetch::{Origin, Sha256Hex, fetch},
    inside::inside,
    logging::{self, LogFormat},
    output::{self, Progress, sending},
};

/// The image that everybody starts with.
const DEFAULT_IMAGE: &str = "python";

/// What came of it, in the order in which it is done.
#[derive(Debug, Default, Serialize)]
struct Done {
    /// The kernel that `--kernel` named.
    kernel: Option<Kernel>,
    /// How the host is.
    checks: Vec<Check>,
    /// The image, by name.
    image: Option<String>,
    template: Option<TemplateInfo>,
}

#[derive(Debug, Serialize)]
struct Kernel {
    path: PathBuf,
    /// The release of one that was taken; none where one was there and is kept.
    taken: Option<String>,
}

/// Says what is done, line by line, unless it is to be told as JSON in the end.
#[derive(Debug, Clone, Copy)]
struct Teller {
    json: bool,
}

impl Teller {
    fn line(self, line: &str) -> Result<()> {
        if self.json {
            Ok(())
        } else {
            output::line(line)
        }
    }
}

pub(super) async fn run(init: Init) -> Result<Exit> {
    logging::start(LogFormat::Text, "warn");
    let storage = storage(&init);
    let root = daemon::root(&storage)?;
    let teller = Teller { json: init.json };
    let mut done = Done::default();
    if !init.skip_kernel {
        done.kernel = take_kernel(&init, &root, teller).await?;
    }
    done.checks = doctor::look(&storage).await;
    if !init.json {
        doctor::show(&done.checks)?;
    }
    let healthy = doctor::healthy(&done.checks);
    if healthy && !init.skip_rootfs {
        let (image, template) = make_image(&init, &root, teller).await?;
        (done.image, done.template) = (Some(image), Some(template));
    }
    if init.json {
        output::json(&done)?;
    } else if healthy {
        next_steps(&init, done.image.as_deref())?;
    }
    if healthy {
        return Ok(Exit::SUCCESS);
    }
    output::note("thaw: mend what is missing, then run thaw init again");
    Ok(Exit::FAILURE)
}

/// Where everything goes. The kernel is the one that was just taken, or what a daemon would take.
fn storage(init: &Init) -> Storage {
    let kernel = std::env::var_os("THAW_KERNEL").filter(|path| !path.is_empty());
    Storage {
        place: init.place.clone(),
        kernel: match &init.kernel_source {
            Some(_) => None,
            None => kernel.map(PathBuf::from),
        },
    }
}

/// Puts the kernel that was named into the storage root, once it is known to start guests.
async fn take_kernel(init: &Init, root: &Path, teller: Teller) -> Result<Option<Kernel>> {
    let Some(source) = &init.kernel_source else {
        return Ok(None);
    };
    let path = kernel_file(root);
    let place = path.display();
    if path.exists() && !init.force {
        teller.line(&format!("kernel: {place} is kept; --force replaces it"))?;
        return Ok(Some(Kernel { path, taken: None }));
    }
    let folder = path.parent().context("a kernel without a folder")?;
    std::fs::create_dir_all(folder)
        .with_context(|| format!("making the folder {}", folder.display()))?;
    let fetched = take(source, init.kernel_sha256.as_ref(), folder).await?;
    let kernel = GuestKernel::load(Some(fetched.path()), embedded::agent()?)
        .context("the kernel is not taken")?;
    fetched
        .persist(&path)
        .with_context(|| format!("putting the kernel at {place}"))?;
    let release = kernel.release().to_string();
    teller.line(&format!("kernel: {release}, now at {place}"))?;
    let taken = Some(release);
    Ok(Some(Kernel { path, taken }))
}

/// Makes the image and its template; returns the image's name and the template.
async fn make_image(init: &Init, root: &Path, teller: Teller) -> Result<(String, TemplateInfo)> {
    let name = match (&init.name, &init.rootfs) {
        (Some(name), _) => name.clone(),
        (None, Some(_)) => "rootfs".to_owned(),
        (None, None) => DEFAULT_IMAGE.to_owned(),
    };
    ensure!(
        init.rootfs.is_some() || name == DEFAULT_IMAGE,
        "--name names the image of --rootfs"
    );
    let rootfs = match &init.rootfs {
        Some(source) => Some(take(source, init.rootfs_sha256.as_ref(), root).await?),
        None => None,
    };
    let (wanted, force) = (name.clone(), init.force);
    let template = inside(&storage(init), move |client| async move {
        let known = client.images().await?;
        let mut known = known.images.into_iter();
        let there = known.find(|image| image.names.contains(&wanted));
        match (rootfs, there) {
            (Some(_), Some(_)) if !force => {
                teller.line(&format!("image: {wanted} is kept; --force replaces it"))?;
            }
            (Some(file), _) => upload(&client, &wanted, file.path(), teller).await?,
            (None, Some(old)) if force => remove(&client, &wanted, &old).await?,
            (None, _) => {}
        }
        bake(&client, &wanted, teller).await
    })
    .await?;
    Ok((name, template))
}

/// Removes an image that Thaw makes itself, so that it is made anew.
async fn remove(client: &Client, name: &str, image: &ImageInfo) -> Result<()> {
    for template in client.templates().await?.templates {
        if template.image == image.digest {
            client.remove_template(&template.id).await?;
        }
    }
    Ok(client.remove_image(name).await?)
}

async fn take(
    source: &Origin,
    expected: Option<&Sha256Hex>,
    folder: &Path,
) -> Result<tempfile::NamedTempFile> {
    let mut progress = Progress::start();
    fetch(source, expected, folder, |event| progress.show(event)).await
}

async fn upload(client: &Client, name: &str, path: &Path, teller: Teller) -> Result<()> {
    let upload = Upload {
        path,
        kind: UploadKind::Rootfs,
        name: Some(name),
    };
    let work = client.upload_image(upload, sending()).await?;
    let mut progress = Progress::start();
    let made = work.finish(|event| progress.show(event)).await?;
    drop(progress);
    teller.line(&format!("image: {name} is {}", made.digest))
}

async fn bake(client: &Client, image: &str, teller: Teller) -> Result<TemplateInfo> {
    let wanted = EnsureTemplateRequest {
        image: image.to_owned(),
        ..EnsureTemplateRequest::default()
    };
    let mut progress = Progress::start();
    let work = client.ensure_template(&wanted).await?;
    let template = work.finish(|event| progress.show(event)).await?;
    drop(progress);
    teller.line(&format!("template: {} of image {image}", template.id))?;
    Ok(template)
}

fn next_steps(init: &Init, image: Option<&str>) -> Result<()> {
    let storage = match &init.place.storage {
        Some(root) => format!(" --storage {}", root.display()),
        None => String::new(),
    };
    output::line("\nNext:")?;
    output::line(&format!(
        "  thaw serve{storage}      # the daemon, on 127.0.0.1:8000"
    ))?;
    let image = image.unwrap_or(DEFAULT_IMAGE);
    output::line(&format!(
        "  thaw run {image} -- uname -a   # a program in a fresh VM"
    ))
}
