//! The node that runs in this process.

mod open;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use async_trait::async_trait;
use thaw_image::ProgressSink;
use thaw_lazymem::PageService;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;

use crate::{
    AddImage, AdminError, ExecError, ExecHandle, ExecRequest, GuestStream, ImageInfo,
    InsideRequest, Lease, LeaseError, LeaseId, LeaseRequest, Node, NodeFigures, PoolInfo,
    PoolSettings, RestoreFaults, StartKind, StorageLock, TemplateId, TemplateInfo,
    TemplateSelector,
    blocking::blocking,
    budget::Budget,
    counters::Counters,
    exec::{Allowance, pump},
    exec_request::agent_request,
    images, inside,
    kept::{KeptVms, Leases},
    lease::Leased,
    memory::{NodeMemory, WorkingSets, watch_leased},
    pool::{Pool, record_anew},
    pools::{Origin, Pools},
    snapshots::SnapshotStore,
    template::Manifest,
};

pub use open::OpenError;

/// No wait is longer than this, whatever the caller says.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

/// Every VM of this machine: pools, leases, templates. [`LocalNode::shut_down`](Node::shut_down) ends it.
#[derive(Debug)]
pub struct LocalNode {
    pub(crate) pools: Arc<Pools>,
    /// Bounded by the budget of VMMs.
    pub(crate) leases: Leases,
    kept: KeptVms,
    pub(crate) snapshots: SnapshotStore,
    pub(crate) budget: Arc<Budget>,
    counters: Arc<Counters>,
    engine_reason: String,
    memory: NodeMemory,
    pub(crate) tracker: TaskTracker,
    _storage: StorageLock,
}

impl LocalNode {
    pub(crate) fn kept_vms(&self) -> &KeptVms {
        &self.kept
    }

    pub(crate) fn leased(&self, id: &LeaseId) -> Result<Arc<Leased>, ExecError> {
        let found = self.leases.get(id).map(|leased| Arc::clone(&leased));
        found.ok_or_else(|| ExecError::UnknownLease(id.to_string()))
    }

    pub(crate) async fn template_info(&self, manifest: &Manifest) -> TemplateInfo {
        let pool = self.pools.running(&manifest.id);
        let in_use = match &pool {
            Some(pool) => pool.info().await.map_or(0, |info| vmms_of(&info)),
            None => 0,
        };
        let (store, id) = (Arc::clone(&self.pools.baker.store), manifest.id.clone());
        let loaded = pool.as_ref().map(|pool| Arc::clone(pool.template()));
        let (disk_bytes, (working_set_pages, last_restores)) = blocking(move || {
            let known = match loaded {
                Some(template) => known_of(&template.working_sets),
                None => known_of(&WorkingSets::open(&store.path(&id))),
            };
            (store.disk_bytes(&id), known)
        })
        .await;
        let image = self.pools.baker.images.find(&manifest.image);
        TemplateInfo {
            id: manifest.id.clone(),
            image: manifest.image.clone(),
            image_names: image
                .map(|image| images::info(&image).names)
                .unwrap_or_default(),
            shape: manifest.shape,
            engine: manifest.engine.to_string(),
            kernel: manifest.kernel.clone(),
            agent: manifest.agent.clone(),
            languages: manifest.languages.clone(),
            disk_bytes,
            resident_bytes: pool.map_or(0, |pool| pool.template().memory.resident_bytes()),
            memory_format: manifest.memory,
            working_set_pages,
            last_restores,
            created_at: manifest.created_at,
            bake: manifest.bake(),
            boot: manifest.boot(),
            is_function: manifest.function.is_some(),
            in_use,
        }
    }
}

fn known_of(sets: &WorkingSets) -> (Option<u64>, Vec<RestoreFaults>) {
    let pages = sets.current().map(|set| set.page_count());
    (pages, sets.last_restores())
}

fn vmms_of(info: &PoolInfo) -> u32 {
    info.shells + info.starting + info.parked + info.leased
}

#[async_trait]
impl Node for LocalNode {
    async fn lease(&self, request: LeaseRequest) -> Result<Lease, LeaseError> {
        let within = request.start_within.min(LONGEST_WAIT);
        if let TemplateSelector::Snapshot(id) = &request.template {
            return self.lease_of_snapshot(id, within).await;
        }
        let begin = Instant::now();
        let deadline = begin + within;
        let unseen = ProgressSink::none();
        let making = self.pools.find_or_make(&request.template, &unseen);
        let made = timeout_at(deadline, making).await;
        let (pool, origin) = made.map_err(|_| LeaseError::TimedOut(within))??;
        let made_in = begin.elapsed();
        let left = deadline.saturating_duration_since(Instant::now());
        let clone = pool.lease(left).await.map_err(|error| match error {
            // The caller knows of its whole wait only.
            LeaseError::TimedOut(_) => LeaseError::TimedOut(within),
            other => other,
        })?;
        let restored_in = clone.restore;
        let manifest = Arc::clone(&clone.template.manifest);
        let (counters, tracker) = (Arc::clone(&self.counters), self.tracker.clone());
        let (leased, start) = Leased::new(clone, counters, tracker);
        let (start, restore) = match origin {
            Origin::Found => (start, restored_in),
            Origin::Baked => (StartKind::Cold, made_in + restored_in),
        };
        let lease = Lease {
            id: leased.id().clone(),
            template: manifest.id.clone(),
            image: manifest.image.clone(),
            shape: manifest.shape,
            disk_bytes: manifest.scratch_bytes,
            config: manifest.config.clone(),
            start,
            queue: begin.elapsed().saturating_sub(restore),
            restore,
        };
        if let Some(memory) = leased.memory().filter(|memory| !memory.is_independent()) {
            let watching = watch_leased(Arc::clone(&leased), Arc::clone(memory));
            let pools = Arc::clone(&self.pools);
            self.tracker.spawn(async move {
                if let Some(stale) = watching.await {
                    record_anew(pools.setup(), &stale);
                }
            });
        }
        self.leases.insert(lease.id.clone(), leased);
        Ok(lease)
    }

    async fn exec(&self, lease: &LeaseId, request: ExecRequest) -> Result<ExecHandle, ExecError> {
        let leased = self.leased(lease)?;
        let allowance = Allowance {
            output_limit_bytes: request.output_limit_bytes,
            timeout: request.timeout,
        };
        let request = agent_request(leased.config(), request)?;
        let started = leased.start(request).await?;
        let (handle, pumping) = pump(leased, started, allowance);
        self.tracker.spawn(pumping);
        Ok(handle)
    }

    async fn inside(
        &self,
        lease: &LeaseId,
        request: InsideRequest,
    ) -> Result<GuestStream, ExecError> {
        let leased = self.leased(lease)?;
        let request = request.into_agent_request(leased.config())?;
        let started = leased.start(request).await?;
        let (stream, pumping) = inside::pump(leased, started);
        self.tracker.spawn(pumping);
        Ok(stream)
    }

    fn release(&self, lease: &LeaseId) {
        // VMs that stay are left as they are by a daemon that ends.
        if self.kept.is_stopped() {
            return;
        }
        let leased = self.leases.remove(lease);
        if !self.kept.release(lease)
            && let Some((_, leased)) = leased
        {
            leased.end_now();
        }
    }

    async fn images(&self) -> Vec<ImageInfo> {
        images::infos(self.pools.baker.images.list())
    }

    async fn add_image(
        &self,
        request: AddImage,
        progress: &ProgressSink,
    ) -> Result<ImageInfo, AdminError> {
        let (source, options) = blocking(move || images::parse(request)).await?;
        let store = Arc::clone(&self.pools.baker.images);
        let image = images::add(store, source, options, progress.clone()).await?;
        Ok(images::info(&image))
    }

    async fn remove_image(&self, name_or_digest: &str) -> Result<(), AdminError> {
        let (store, name) = (
            Arc::clone(&self.pools.baker.images),
            name_or_digest.to_owned(),
        );
        let removed = blocking(move || store.remove(&name)).await;
        let removed = removed.map_err(|error| images::removal_failed(name_or_digest, error))?;
        if !removed.deleted {
            return Ok(());
        }
        // Its templates are of no use without it.
        let digest = removed.digest.to_string();
        for manifest in self.pools.baker.store.list() {
            if manifest.image == digest {
                self.remove_template(&manifest.id).await?;
            }
        }
        Ok(())
    }

    async fn templates(&self) -> Vec<TemplateInfo> {
        let mut infos = Vec::new();
        for manifest in self.pools.baker.store.list() {
            infos.push(self.template_info(&manifest).await);
        }
        infos
    }

    async fn ensure_template(
        &self,
        selector: &TemplateSelector,
        progress: &ProgressSink,
    ) -> Result<TemplateInfo, LeaseError> {
        let (pool, _) = self.pools.find_or_make(selector, progress).await?;
        Ok(self.template_info(&pool.template().manifest).await)
    }

    async fn remove_template(&self, template: &TemplateId) -> Result<(), AdminError> {
        let snapshots = self.snapshots.of_template(template);
        if snapshots > 0 {
            return Err(AdminError::InUse {
                kind: "template",
                name: template.to_string(),
                by: format!("{snapshots} snapshots"),
            });
        }
        let kept = self.kept.live_of(template);
        if kept > 0 {
            return Err(AdminError::InUse {
                kind: "template",
                name: template.to_string(),
                by: format!("{kept} VMs that stay"),
            });
        }
        if let Some(pool) = self.pools.running(template) {
            let info = pool.info().await;
            if let Some(info) = info.filter(|info| info.leased + info.waiting > 0) {
                return Err(AdminError::InUse {
                    kind: "template",
                    name: template.to_string(),
                    by: format!("{} VMs and {} callers", info.leased, info.waiting),
                });
            }
            self.pools.stop(template);
        }
        let io = |source| AdminError::Io {
            what: "remove the template",
            source,
        };
        self.pools.settings.remove(template).map_err(io)?;
        let (store, id) = (Arc::clone(&self.pools.baker.store), template.clone());
        if blocking(move || store.remove(&id)).await.map_err(io)? {
            Ok(())
        } else {
            Err(AdminError::NotFound {
                kind: "template",
                name: template.to_string(),
            })
        }
    }

    async fn pools(&self) -> Vec<PoolInfo> {
        let mut infos = Vec::new();
        for pool in self.pools.all() {
            infos.extend(pool.info().await);
        }
        infos.sort_by(|a, b| a.template.cmp(&b.template));
        infos
    }

    async fn set_pool(
        &self,
        selector: &TemplateSelector,
        settings: PoolSettings,
    ) -> Result<PoolInfo, AdminError> {
        if settings.min > settings.max {
            let (min, max) = (settings.min, settings.max);
            return Err(AdminError::Bad(format!(
                "min is {min}, which is more than max, {max}"
            )));
        }
        let (pool, _) = self
            .pools
            .find_or_make(selector, &ProgressSink::none())
            .await?;
        let pool: Arc<Pool> = pool;
        let id = &pool.template().manifest.id;
        self.pools
            .settings
            .set(id, settings)
            .map_err(|source| AdminError::Io {
                what: "store the pool's bounds",
                source,
            })?;
        pool.set_bounds(settings).await?;
        pool.info()
            .await
            .ok_or(AdminError::Lease(LeaseError::ShuttingDown))
    }

    async fn figures(&self) -> NodeFigures {
        let NodeMemory { setup, service } = &self.memory;
        let choice = &setup.choice;
        NodeFigures {
            engine: self.pools.baker.engine.identity().to_string(),
            engine_reason: self.engine_reason.clone(),
            memory_mode: choice.mode.to_string(),
            memory_cause: choice.cause,
            memory_reason: choice.reason.clone(),
            page_server_restarts: service.as_ref().map_or(0, PageService::restarts),
            restores: self.counters.restores.load(Ordering::Relaxed),
            restore_failures: self.counters.restore_failures.load(Ordering::Relaxed),
            copies_into_waiting: self.counters.copies_into_waiting.load(Ordering::Relaxed),
            copies_into_spawned: self.counters.copies_into_spawned.load(Ordering::Relaxed),
            crashes: self.counters.crashes.load(Ordering::Relaxed),
            vmms: self.budget.vmms(),
        }
    }

    async fn shut_down(&self) {
        self.pools.stop_all();
        self.kept.stop();
        for leased in self.leases.iter() {
            if leased.stays() {
                leased.let_go();
            } else {
                leased.end_now();
            }
        }
        self.leases.clear();
        self.tracker.close();
        self.tracker.wait().await;
        self.pools.baker.engine.settled().await;
        self.pools.baker.images.close().await;
    }
}
