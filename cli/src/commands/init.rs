//! `thaw init`: everything that the first exec would have to make, made now and told step by step.
//!
//! ```text
//! check the host ─► take a kernel (--kernel) ─► make an image (--rootfs, else python) ─► bake its template
//! ```
//! What is there already is kept, unless `--force` says otherwise.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use thaw_api_types::{
    EnsureTemplateRequest, UploadKind,
    client::{Client, Upload},
};
use thaw_runner::node::vmm::GuestKernel;

use super::doctor;
use crate::{
    arguments::{Init, Memory, Storage, TemplateFormat},
    daemon::{self, kernel_file},
    embedded,
    exit::Exit,
    fetch::{Origin, Sha256Hex, fetch},
    inside::inside,
    logging::{self, LogFormat},
    output::{self, Progress},
};

/// The image that everybody starts with.
const DEFAULT_IMAGE: &str = "python";

pub(super) async fn run(init: Init) -> Result<Exit> {
    logging::start(LogFormat::Text, "warn");
    let storage = storage(&init);
    let root = daemon::root(&storage)?;
    if !init.skip_kernel {
        take_kernel(&init, &root).await?;
    }
    let checks = doctor::look(&storage).await;
    doctor::show(&checks)?;
    if !doctor::healthy(&checks) {
        output::note("thaw: mend what is missing, then run thaw init again");
        return Ok(Exit::FAILURE);
    }
    let mut made = None;
    if !init.skip_rootfs {
        made = Some(make_image(&init, &root).await?);
    }
    next_steps(&init, made.as_deref())?;
    Ok(Exit::SUCCESS)
}

/// Where everything goes. The kernel is the one that was just taken, or the default.
fn storage(init: &Init) -> Storage {
    Storage {
        storage: init.storage.clone(),
        accel: init.accel,
        memory: Memory::default(),
        template_format: TemplateFormat::default(),
        kernel: None,
    }
}

/// Puts the kernel that was named into the storage root, once it is known to start guests.
async fn take_kernel(init: &Init, root: &Path) -> Result<()> {
    let Some(source) = &init.kernel_source else {
        return Ok(());
    };
    let place = kernel_file(root);
    if place.exists() && !init.force {
        let path = place.display();
        return output::line(&format!("kernel: {path} is kept; --force replaces it"));
    }
    let folder = place.parent().context("a kernel without a folder")?;
    std::fs::create_dir_all(folder)
        .with_context(|| format!("making the folder {}", folder.display()))?;
    let fetched = take(source, init.kernel_sha256.as_ref(), folder).await?;
    let kernel = GuestKernel::load(Some(fetched.path()), embedded::agent()?)
        .context("the kernel is not taken")?;
    fetched
        .persist(&place)
        .with_context(|| format!("putting the kernel at {}", place.display()))?;
    let (release, path) = (kernel.release(), place.display());
    output::line(&format!("kernel: {release}, now at {path}"))
}

/// Makes the image and its template; returns the image's name.
async fn make_image(init: &Init, root: &Path) -> Result<String> {
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
    inside(&storage(init), move |client| async move {
        let known = client.images().await?;
        let there = known
            .images
            .iter()
            .any(|image| image.names.contains(&wanted));
        match rootfs {
            Some(file) if force || !there => upload(&client, &wanted, file.path()).await?,
            Some(_) => output::line(&format!("image: {wanted} is kept; --force replaces it"))?,
            None => {}
        }
        bake(&client, &wanted).await
    })
    .await?;
    Ok(name)
}

async fn take(
    source: &Origin,
    expected: Option<&Sha256Hex>,
    folder: &Path,
) -> Result<tempfile::NamedTempFile> {
    let mut progress = Progress::start();
    fetch(source, expected, folder, |event| progress.show(event)).await
}

async fn upload(client: &Client, name: &str, path: &Path) -> Result<()> {
    let upload = Upload {
        path,
        kind: UploadKind::Rootfs,
        name: Some(name),
    };
    let mut progress = Progress::start();
    let work = client.upload_image(upload, |_, _| {}).await?;
    let made = work.finish(|event| progress.show(event)).await?;
    drop(progress);
    output::line(&format!("image: {name} is {}", made.digest))
}

async fn bake(client: &Client, image: &str) -> Result<()> {
    let wanted = EnsureTemplateRequest {
        image: image.to_owned(),
        ..EnsureTemplateRequest::default()
    };
    let mut progress = Progress::start();
    let work = client.ensure_template(&wanted).await?;
    let template = work.finish(|event| progress.show(event)).await?;
    drop(progress);
    output::line(&format!("template: {} of image {image}", template.id))
}

fn next_steps(init: &Init, image: Option<&str>) -> Result<()> {
    let storage = match &init.storage {
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
