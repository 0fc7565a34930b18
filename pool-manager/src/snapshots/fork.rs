//! More VMs that begin where one is now.

use std::{sync::Arc, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};

use super::{
    moment::{HeldUp, Moment},
    restore::Restored,
};
use crate::{Fork, Lease, LeaseError, LeaseId, LocalNode, SnapshotError, pool::Pool};

impl LocalNode {
    pub(super) async fn fork_now(
        &self,
        id: &LeaseId,
        count: u32,
        within: Duration,
    ) -> Result<Fork, SnapshotError> {
        let most = self.pools.setup().limits.vmms;
        if !(1..=most).contains(&count) {
            return Err(SnapshotError::Count { most });
        }
        let forking = self.fork_unbounded(id, count, within);
        let forked = timeout(within, forking).await;
        forked.unwrap_or(Err(LeaseError::TimedOut(within).into()))
    }

    /// # Cancel safety
    /// Dropped before it returns, the VM goes on and no other is left.
    async fn fork_unbounded(
        &self,
        id: &LeaseId,
        count: u32,
        within: Duration,
    ) -> Result<Fork, SnapshotError> {
        let begin = Instant::now();
        let (leased, pool) = self.with_base(id).await?;
        let taking = self.taking(&pool);
        let taken = {
            let leased = Arc::clone(&leased);
            async move { taking.take(&leased).await }
        };
        let (moment, held_up) = leased.to_its_end("fork", taken).await?;
        let moment = Arc::new(moment);
        let all = self.restore_all(&pool, &moment, count, within).await?;
        let total = begin.elapsed();
        note(id, "forked", &moment, held_up, total);
        Ok(Fork {
            leases: all.into_iter().map(|one| self.hand_out(one)).collect(),
            paused: held_up.paused,
            at_rest: held_up.at_rest,
            total,
        })
    }

    /// All, or none.
    async fn restore_all(
        &self,
        pool: &Arc<Pool>,
        moment: &Arc<Moment>,
        count: u32,
        within: Duration,
    ) -> Result<Vec<Restored>, LeaseError> {
        let mut restoring = JoinSet::new();
        for _ in 0..count {
            let (pools, pool) = (Arc::clone(&self.pools), Arc::clone(pool));
            let moment = Arc::clone(moment);
            restoring.spawn(async move { pools.restore_moment(&pool, moment, within).await });
        }
        let mut all = Vec::with_capacity(count as usize);
        while let Some(restored) = restoring.join_next().await {
            // One that panicked is one that was not restored; those that are there end as they are dropped.
            all.push(restored.map_err(|error| LeaseError::Restore(Arc::new(error)))??);
        }
        Ok(all)
    }

    /// Makes a restored VM a lease of this node.
    pub(super) fn hand_out(&self, restored: Restored) -> Lease {
        let Restored { leased, lease } = restored;
        self.leases.insert(lease.id.clone(), leased);
        lease
    }
}

/// Says what it cost.
pub(super) fn note(
    id: &LeaseId,
    what: &'static str,
    moment: &Moment,
    held_up: HeldUp,
    total: Duration,
) {
    tracing::info!(
        vm = %id,
        memory_bytes = moment.machine.delta.bytes().len(),
        disk_bytes = moment.disk.held_bytes().unwrap_or_default(),
        paused_us = held_up.paused.as_micros() as u64,
        of_it_disk_us = held_up.disk.as_micros() as u64,
        at_rest_us = held_up.at_rest.as_micros() as u64,
        total_us = total.as_micros() as u64,
        "a VM was {what}"
    );
}
