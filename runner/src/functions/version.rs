//! A version that was deployed.

use std::sync::{PoisonError, RwLock};

use thaw_pool_manager::TemplateId;
use tokio_util::task::TaskTracker;

use super::{VersionSpec, clones::Clones};
use crate::store::VersionRow;

/// A version of a function. It never changes, but for the template that is made of it.
#[derive(Debug)]
pub struct Version {
    /// 1, 2, 3 and so on.
    pub number: u64,
    /// How it runs.
    pub spec: VersionSpec,
    /// The digest of its image, whatever the image's name leads to meanwhile; empty where an older daemon
    /// deployed it and its template is gone.
    pub image_digest: String,
    /// SHA-256 of its code as one tar, in hex.
    pub code_digest: String,
    /// The size of that tar.
    pub code_bytes: u64,
    /// Milliseconds since 1970-01-01 UTC.
    pub created_at_ms: u64,
    template: RwLock<TemplateId>,
    /// Clones that wait to be used again.
    pub(crate) clones: Clones,
    /// Counts the events that it serves.
    pub(crate) serving: TaskTracker,
}

impl Version {
    pub(crate) fn new(row: VersionRow) -> Self {
        Self {
            number: row.number,
            clones: Clones::new(row.spec.reuse, row.spec.concurrency.min(row.spec.max_warm)),
            spec: row.spec,
            image_digest: row.image_digest,
            code_digest: row.code_digest,
            code_bytes: row.code_bytes,
            created_at_ms: row.created_at_ms,
            template: RwLock::new(row.template),
            serving: TaskTracker::new(),
        }
    }

    /// What its template is baked of.
    pub(crate) fn image(&self) -> &str {
        if self.image_digest.is_empty() {
            &self.spec.image
        } else {
            &self.image_digest
        }
    }

    /// The template that its clones are restored from.
    pub fn template(&self) -> TemplateId {
        // Every update is one assignment, so a panic elsewhere can't have left it half-done.
        let template = self.template.read();
        template.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_template(&self, id: TemplateId) {
        *self
            .template
            .write()
            .unwrap_or_else(PoisonError::into_inner) = id;
    }
}
