//! What a snapshot or a fork is made of and from.

use std::{sync::Arc, time::Duration};

use thaw_image::ProgressSink;
use tokio::time::{Instant, timeout};

use super::{
    moment::{Moment, Taking},
    store::Use,
    write,
};
use crate::{
    LeaseError, LeaseId, LocalNode, SnapshotError, SnapshotId, TemplateId, TemplateSelector,
    VmError, blocking::blocking, lease::Leased, pool::Pool,
};

impl LocalNode {
    /// The lease, and the pool of the template that it differs from.
    pub(super) async fn with_base(
        &self,
        id: &LeaseId,
    ) -> Result<(Arc<Leased>, Arc<Pool>), SnapshotError> {
        if self.kept_vms().is_stopped() {
            return Err(LeaseError::ShuttingDown.into());
        }
        let unknown = || VmError::Unknown(id.clone());
        let leased = self.leased(id).map_err(|_| unknown())?;
        let template = match leased.template() {
            Some(template) => template.manifest.id.clone(),
            // It was adopted, or booted from its own disk.
            None => self.kept_vms().template_of(id).ok_or_else(unknown)?,
        };
        let pool = self.base(template).await.map_err(SnapshotError::Template)?;
        Ok((leased, pool))
    }

    /// The pool of a template that is there.
    pub(super) async fn base(&self, id: TemplateId) -> Result<Arc<Pool>, LeaseError> {
        let selector = TemplateSelector::Template(id);
        let unseen = ProgressSink::none();
        let (pool, _) = self.pools.find_or_make(&selector, &unseen).await?;
        Ok(pool)
    }

    /// How a moment of a VM of this pool is taken.
    pub(super) fn taking(&self, pool: &Pool) -> Taking {
        Taking {
            template: Arc::clone(pool.template()),
            folder: self.pools.setup().scratch_folder.clone(),
            store: self.snapshots.clone(),
        }
    }

    /// A snapshot that is there, read and checked.
    pub(super) async fn stored(&self, id: &SnapshotId) -> Result<(Use, Arc<Moment>), LeaseError> {
        let bad = |reason: String| LeaseError::BadSnapshot {
            snapshot: id.clone(),
            reason,
        };
        let used = self.snapshots.begin_use(id);
        let used = used.ok_or_else(|| LeaseError::UnknownSnapshot(id.clone()))?;
        let used = used.map_err(|error| bad(error.to_string()))?;
        if let Some(moment) = used.loaded() {
            return Ok((used, moment));
        }
        let room = self.snapshots.room().await;
        let (folder, manifest) = (self.snapshots.path(id), Arc::clone(&used.manifest));
        match blocking(move || write::read(&folder, &manifest)).await {
            Ok(moment) => {
                let moment = Moment {
                    _room: room,
                    ..moment
                };
                let moment = Arc::new(moment);
                used.share(&moment);
                Ok((used, moment))
            }
            Err(error) => {
                self.snapshots.mark_bad(&error);
                Err(bad(error.to_string()))
            }
        }
    }

    /// A clone of a snapshot; it is awake when this returns.
    pub(crate) async fn lease_of_snapshot(
        &self,
        id: &SnapshotId,
        within: Duration,
    ) -> Result<crate::Lease, LeaseError> {
        if self.kept_vms().is_stopped() {
            return Err(LeaseError::ShuttingDown);
        }
        let begin = Instant::now();
        let stored = timeout(within, self.stored(id)).await;
        let (used, moment) = stored.unwrap_or(Err(LeaseError::TimedOut(within)))?;
        let left = within.saturating_sub(begin.elapsed());
        let engine = self.pools.baker.engine.identity();
        if used.manifest.engine != *engine {
            return Err(LeaseError::BadSnapshot {
                snapshot: id.clone(),
                reason: format!(
                    "it was taken under {}, and this node runs {engine}",
                    used.manifest.engine
                ),
            });
        }
        let pool = self.base(used.manifest.template.clone()).await?;
        let restored = self.pools.restore_moment(&pool, moment, left).await?;
        Ok(self.hand_out(restored))
    }
}
