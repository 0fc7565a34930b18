//! Who needs an image.

use std::sync::Arc;

use crate::digest::Digest;
use crate::image::Image;
use crate::store::ImageStore;
use crate::store::open::Inner;

/// Keeps an image from being removed for as long as it lives. Held by templates and VMs.
#[derive(Debug)]
pub struct ImagePin {
    image: Arc<Image>,
    store: Arc<Inner>,
}

impl ImageStore {
    /// Pins the image, where there is one.
    pub fn pin(&self, digest: &Digest) -> Option<ImagePin> {
        let mut state = self.inner.state();
        let image = Arc::clone(state.images.get(digest)?);
        *state.pins.entry(*digest).or_default() += 1;
        Some(ImagePin {
            image,
            store: Arc::clone(&self.inner),
        })
    }
}

impl ImagePin {
    /// The image as it was when it was pinned; its names may have changed since.
    pub fn image(&self) -> &Arc<Image> {
        &self.image
    }
}

impl Drop for ImagePin {
    fn drop(&mut self) {
        let mut state = self.store.state();
        if let Some(users) = state.pins.get_mut(&self.image.digest) {
            *users -= 1;
            if *users == 0 {
                state.pins.remove(&self.image.digest);
            }
        }
    }
}
