//! From what a caller names to the pool that serves it: images are made, templates baked or loaded,
//! pools started, each once however many ask.

mod functions;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use thaw_image::{AddError, AddOptions, ErrorKind, Image, ProgressSink, Resolution};
use thaw_vmm::{Shape, protocol::PROTOCOL_VERSION};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    BakeError, LeaseError, TemplateId, TemplateSelector,
    bake::Baker,
    blocking::blocking,
    budget::NoRoom,
    error::chain,
    function_bake::FunctionPart,
    images,
    pool::{Pool, PoolSetup},
    settings::StoredSettings,
    single_flight::SingleFlight,
    template::{BadTemplate, LoadError, LoadedTemplate, Manifest, TemplateKey},
};

type ImageFlight = Result<Arc<Image>, LeaseError>;
type PoolFlight = Result<(Arc<Pool>, Origin), LeaseError>;

/// Where a pool's template came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It was there.
    Found,
    /// It was baked while the caller waited.
    Baked,
}

/// The pools of a node.
#[derive(Debug)]
pub(crate) struct Pools {
    pub(crate) baker: Baker,
    setup: PoolSetup,
    pub(crate) settings: StoredSettings,
    running: Mutex<HashMap<TemplateId, Arc<Pool>>>,
    images: SingleFlight<String, ImageFlight>,
    templates: SingleFlight<TemplateId, PoolFlight>,
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Pools {
    pub(crate) fn new(
        baker: Baker,
        setup: PoolSetup,
        settings: StoredSettings,
        tracker: TaskTracker,
        stop: CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self {
            baker,
            setup,
            settings,
            running: Mutex::default(),
            images: SingleFlight::new(tracker.clone()),
            templates: SingleFlight::new(tracker.clone()),
            tracker,
            stop,
        })
    }

    /// The pool that serves `selector`, started where it is missing, as its template and image are.
    ///
    /// # Cancel safety
    /// The making goes on, and the next caller profits.
    pub(crate) async fn find_or_make(
        self: &Arc<Self>,
        selector: &TemplateSelector,
        progress: &ProgressSink,
    ) -> PoolFlight {
        if self.stop.is_cancelled() {
            return Err(LeaseError::ShuttingDown);
        }
        match selector {
            TemplateSelector::Snapshot(id) => Err(LeaseError::UnknownSnapshot(id.clone())),
            TemplateSelector::Template(id) => {
                if let Some(pool) = self.usable(id) {
                    return Ok((pool, Origin::Found));
                }
                let manifest = self
                    .known(id)?
                    .ok_or_else(|| LeaseError::UnknownTemplate(id.to_string()))?;
                let load = move |pools: Arc<Self>, _| async move { pools.load(manifest).await };
                self.take_off(id, load, progress).await
            }
            TemplateSelector::Image { image, shape } => {
                check_shape(*shape)?;
                let image = self.image(image, progress).await?;
                let key = self.key(&image, *shape);
                let id = key.id();
                if let Some(pool) = self.usable(&id) {
                    return Ok((pool, Origin::Found));
                }
                let work = |pools: Arc<Self>, progress| async move {
                    pools.load_or_bake(key, image, None, &progress).await
                };
                self.take_off(&id, work, progress).await
            }
        }
    }

    fn key(&self, image: &Image, shape: Shape) -> TemplateKey {
        TemplateKey {
            image: image.digest.to_string(),
            shape,
            kernel: self.baker.kernel.digest().to_owned(),
            command_line: self.baker.engine.command_line().to_owned(),
            engine: self.baker.engine.identity().clone(),
            scratch_bytes: self.baker.limits.scratch_bytes,
            function: None,
        }
    }

    /// What pools, and clones that come out of none, are started with.
    pub(crate) fn setup(&self) -> &PoolSetup {
        &self.setup
    }

    pub(crate) fn running(&self, id: &TemplateId) -> Option<Arc<Pool>> {
        self.lock().get(id).cloned()
    }

    /// The running pool, unless its template was found to be bad; then it is stopped, and the template
    /// is refused from now on.
    fn usable(&self, id: &TemplateId) -> Option<Arc<Pool>> {
        let pool = self.running(id)?;
        let Some(bad) = pool.template().condemned() else {
            return Some(pool);
        };
        self.baker.store.mark_bad(bad.clone());
        self.stop(id);
        None
    }

    pub(crate) fn all(&self) -> Vec<Arc<Pool>> {
        self.lock().values().cloned().collect()
    }

    /// Stops a pool; its parked clones and shells end.
    pub(crate) fn stop(&self, id: &TemplateId) {
        if let Some(pool) = self.lock().remove(id) {
            pool.stop();
        }
    }

    /// Stops every pool and starts no other.
    pub(crate) fn stop_all(&self) {
        self.stop.cancel();
        for (_, pool) in self.lock().drain() {
            pool.stop();
        }
    }

    /// The image that is meant by a name or digest, made where it is missing.
    async fn image(self: &Arc<Self>, name: &str, progress: &ProgressSink) -> ImageFlight {
        if let Some(image) = self.baker.images.find(name) {
            return Ok(image);
        }
        let pools = Arc::clone(self);
        let wanted = name.to_owned();
        let work = move |progress| async move {
            let making = pools.make_image(&wanted, &progress);
            let made = pools.stop.run_until_cancelled(making).await;
            made.unwrap_or(Err(LeaseError::ShuttingDown))
        };
        let mut flight = self.images.join(&name.to_owned(), work);
        flight
            .outcome(progress)
            .await
            .unwrap_or(Err(LeaseError::ShuttingDown))
    }

    async fn make_image(&self, name: &str, progress: &ProgressSink) -> ImageFlight {
        let unknown = || LeaseError::UnknownImage {
            name: name.to_owned(),
            source: None,
        };
        // A digest that is not here can't be looked for elsewhere.
        if name.is_empty() || name.starts_with("sha256:") {
            return Err(unknown());
        }
        let source = self.baker.images.resolve_name(name).await;
        let source = match source.map_err(|error| not_made(name, error))? {
            Resolution::Stored(image) => return Ok(image),
            Resolution::Source(source) => source,
        };
        let options = AddOptions {
            name: Some(
                name.parse()
                    .map_err(|error| not_made(name, AddError::Name(error)))?,
            ),
            auth: None,
        };
        let made = images::add(
            Arc::clone(&self.baker.images),
            source,
            options,
            progress.clone(),
        )
        .await;
        made.map_err(|error| not_made(name, error))
    }

    async fn take_off<W>(
        self: &Arc<Self>,
        id: &TemplateId,
        work: impl FnOnce(Arc<Self>, ProgressSink) -> W,
        progress: &ProgressSink,
    ) -> PoolFlight
    where
        W: Future<Output = Result<(LoadedTemplate, Origin), LeaseError>> + Send + 'static,
    {
        let mut flight = self.templates.join(id, |progress| {
            let pools = Arc::clone(self);
            let work = work(Arc::clone(self), progress);
            async move {
                let loaded = pools.stop.run_until_cancelled(work).await;
                let (template, origin) = loaded.unwrap_or(Err(LeaseError::ShuttingDown))?;
                Ok((pools.start(template)?, origin))
            }
        });
        flight
            .outcome(progress)
            .await
            .unwrap_or_else(|| Err(LeaseError::Bake(Arc::new(BakeError::Lost))))
    }

    async fn load_or_bake(
        &self,
        key: TemplateKey,
        image: Arc<Image>,
        function: Option<FunctionPart>,
        progress: &ProgressSink,
    ) -> Result<(LoadedTemplate, Origin), LeaseError> {
        if let Some(manifest) = self.known(&key.id())? {
            return self.load(manifest).await;
        }
        let full = |NoRoom { what, limit }| LeaseError::NodeFull { what, limit };
        let _slot = self
            .setup
            .budget
            .take_within(key.shape.memory_mib, self.baker.limits.start_within)
            .await
            .map_err(full)?;
        tracing::info!(template = %key.id(), image = %key.image, "baking a template");
        let baked = self.baker.bake(&key, image, function, progress).await;
        match baked {
            Ok(template) => {
                let took = template.manifest.bake();
                tracing::info!(template = %key.id(), ?took, "baked");
                Ok((template, Origin::Baked))
            }
            Err(error) => {
                tracing::warn!(template = %key.id(), "bake failed: {}", chain(&error));
                Err(LeaseError::Bake(Arc::new(error)))
            }
        }
    }

    async fn load(&self, manifest: Arc<Manifest>) -> Result<(LoadedTemplate, Origin), LeaseError> {
        let id = manifest.id.clone();
        let engine = self.baker.engine.identity();
        if manifest.engine != *engine {
            let reason = format!(
                "it was frozen by {}, and this node runs {engine}",
                manifest.engine
            );
            return Err(BadTemplate::new(&id, reason).into());
        }
        if manifest.protocol != PROTOCOL_VERSION {
            let reason = format!(
                "its agent speaks version {} of the protocol, and this node version {PROTOCOL_VERSION}",
                manifest.protocol
            );
            return Err(BadTemplate::new(&id, reason).into());
        }
        let Some(image) = self.baker.images.find(&manifest.image) else {
            let reason = format!("its image {} is not here any more", manifest.image);
            return Err(BadTemplate::new(&id, reason).into());
        };
        let pin = self.baker.images.pin(&image.digest);
        let folder = self.baker.store.path(&id);
        let mode = self.baker.memory.setup.choice.mode;
        let load = move || LoadedTemplate::load(&folder, manifest, &image, pin, mode);
        match blocking(load).await {
            Ok(template) => Ok((template, Origin::Found)),
            Err(LoadError::Bad(bad)) => {
                self.baker.store.mark_bad(bad.clone());
                Err(bad.into())
            }
            Err(error @ LoadError::Memory(_)) => Err(LeaseError::NoMemory(Arc::new(error))),
        }
    }

    /// The manifest of a template that is there.
    fn known(&self, id: &TemplateId) -> Result<Option<Arc<Manifest>>, LeaseError> {
        self.baker
            .store
            .find(id)
            .transpose()
            .map_err(LeaseError::from)
    }

    fn start(&self, template: LoadedTemplate) -> Result<Arc<Pool>, LeaseError> {
        let id = template.manifest.id.clone();
        let settings = self.settings.get(&id).unwrap_or(self.baker.limits.pool);
        let mut running = self.lock();
        // Asked under the lock, so that no pool starts behind the back of a shutdown.
        if self.stop.is_cancelled() {
            return Err(LeaseError::ShuttingDown);
        }
        let pool = Pool::start(
            self.setup.clone(),
            Arc::new(template),
            settings,
            &self.tracker,
        );
        let pool = Arc::new(pool);
        running.insert(id, Arc::clone(&pool));
        Ok(pool)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TemplateId, Arc<Pool>>> {
        // Every update is one insert or remove, so a panic elsewhere can't have left it half-done.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn not_made(name: &str, error: AddError) -> LeaseError {
    let (name, kind, source) = (name.to_owned(), error.kind(), Arc::new(error));
    match kind {
        ErrorKind::NotFound => LeaseError::UnknownImage {
            name,
            source: Some(source),
        },
        _ => LeaseError::Image { name, source },
    }
}

fn check_shape(shape: Shape) -> Result<(), LeaseError> {
    if !(1..=32).contains(&shape.vcpus) {
        return Err(LeaseError::BadShape(format!(
            "vcpus is {}; it must be 1 to 32",
            shape.vcpus
        )));
    }
    if !(128..=65_536).contains(&shape.memory_mib) {
        return Err(LeaseError::BadShape(format!(
            "memory_mib is {}; it must be 128 to 65536",
            shape.memory_mib
        )));
    }
    Ok(())
}
