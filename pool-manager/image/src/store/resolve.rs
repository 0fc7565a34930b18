//! What a bare name means.

use std::sync::Arc;

use crate::error::AddError;
use crate::image::Image;
use crate::sources::{Daemon, ImageSource, builtin_recipe, checked_reference};
use crate::store::ImageStore;

/// What a name stands for.
#[derive(Debug, Clone)]
pub enum Resolution {
    /// An image that is here.
    Stored(Arc<Image>),
    /// Where to get it from.
    Source(ImageSource),
}

impl ImageStore {
    /// Says what `name` means: Thaw's own image, then a built-in recipe, then the Docker daemon's image, then the registry's.
    ///
    /// A text of the form `docker:…` or `registry:…` that names no image of Thaw's means that source. Nothing here makes an
    /// image out of packages that a caller names: their scripts run on the host, and whoever may run a program in a VM
    /// may not do that. So `debian:bookworm` is the reference that it is for Docker.
    /// A daemon that does not answer has no image. Whether the registry has it shows when it is pulled.
    ///
    /// # Errors
    /// Fails when the name is none of these and cannot be an image reference.
    pub async fn resolve_name(&self, name: &str) -> Result<Resolution, AddError> {
        if let Some(image) = self.find(name) {
            return Ok(Resolution::Stored(image));
        }
        if let Some(recipe) = builtin_recipe(name) {
            return Ok(Resolution::Source(recipe));
        }
        let form = name.split_once(':').map(|(form, _)| form);
        if matches!(form, Some("docker" | "registry")) {
            return Ok(Resolution::Source(name.parse()?));
        }
        let reference = checked_reference(name)?.to_owned();
        if self.daemon_has(&reference).await {
            return Ok(Resolution::Source(ImageSource::Docker { reference }));
        }
        Ok(Resolution::Source(ImageSource::Registry { reference }))
    }

    async fn daemon_has(&self, reference: &str) -> bool {
        match Daemon::connect(&self.inner.docker).await {
            Ok(daemon) => matches!(daemon.image_bytes(reference).await, Ok(Some(_))),
            Err(_) => false,
        }
    }
}
