//! Makes a template.
//!
//! ```text
//! image ─► scratch disk ─► boot ─► Prepare and a walk, or a function's load ─► freeze ─► files in a staging folder
//!             └─► trials: load, shell, restore, proof ─► working set, and the template counts
//! any failure, or the deadline: the machine is dropped, the staging folder is removed
//! ```

use std::{
    fs::File,
    io,
    path::Path,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use thaw_image::{Image, ImageStore, Progress, ProgressSink};
use thaw_lazymem::{CompressedWriter, SparseWriter, WriteError};
use thaw_vmm::{
    BootSpec, Engine, Frozen, GuestConnection, GuestError, GuestKernel, RootDisk, ScratchDisk,
    Shape, VmmId, copy_extents,
    protocol::{AgentInfo, FrameKind, Language, Opening, Reply, Request},
};

use crate::{
    BakeError, NodeLimits,
    blocking::blocking,
    error::chain,
    exec_request::split_env,
    function_bake::{FunctionPart, load},
    memory::{NodeMemory, TemplateFormat},
    proof::walk,
    template::{
        LoadError, LoadedTemplate, Manifest, Staging, TemplateKey, TemplateStore, root_fs,
        scratch_sha256, sha256,
    },
    trial::{Trials, refused},
    wake::wake,
};

/// What a bake works with.
#[derive(Debug, Clone)]
pub(crate) struct Baker {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) kernel: Arc<GuestKernel>,
    pub(crate) images: Arc<ImageStore>,
    pub(crate) store: Arc<TemplateStore>,
    pub(crate) memory: NodeMemory,
    pub(crate) limits: NodeLimits,
}

impl Baker {
    /// Bakes the template of `key` from `image` and loads it; `progress` hears of each step.
    ///
    /// # Errors
    /// See [`BakeError`]; nothing is left behind then.
    pub(crate) async fn bake(
        &self,
        key: &TemplateKey,
        image: Arc<Image>,
        function: Option<FunctionPart>,
        progress: &ProgressSink,
    ) -> Result<LoadedTemplate, BakeError> {
        let init = function.as_ref().map(|part| part.spec.init_timeout);
        let within = self.limits.bake_within + init.unwrap_or_default();
        tokio::time::timeout(within, self.bake_unbounded(key, image, function, progress))
            .await
            .map_err(|_| BakeError::TimedOut(within))?
    }

    async fn bake_unbounded(
        &self,
        key: &TemplateKey,
        image: Arc<Image>,
        function: Option<FunctionPart>,
        progress: &ProgressSink,
    ) -> Result<LoadedTemplate, BakeError> {
        let next = |step| {
            tracing::info!(template = %key.id(), "{step}");
            progress.report(Progress::Using { step });
        };
        let begin = Instant::now();
        self.check_room(key.shape)?;
        // Before the files are read: from here on the image can't be removed.
        let pin = self.images.pin(&image.digest);
        let staging = self.store.stage().map_err(BakeError::Write)?;
        next("booting the image");
        let scratch = ScratchDisk::blank(staging.path(), key.scratch_bytes).await?;
        let spec = self.boot_spec(key, &image, &scratch)?;
        let booting = Instant::now();
        let mut machine = self.engine.boot(spec).await?;
        let boot_ms = booting.elapsed().as_millis() as u64;
        next(match function {
            None => "getting the guest ready",
            Some(_) => "initialising the function",
        });
        let agent = match function {
            None => {
                let agent = get_ready(machine.guest(), &image).await?;
                // A name as long as a clone's: replacing it cuts no file.
                let name = VmmId::random("vm").map_err(BakeError::Write)?;
                let wake = wake(name.as_str()).map_err(BakeError::Write)?;
                walk(machine.guest(), wake, &languages(&agent))
                    .await
                    .map_err(refused)?;
                agent
            }
            Some(part) => {
                load(machine.guest(), &image, key.shape, part).await?;
                info(machine.guest()).await?
            }
        };
        next("freezing");
        let frozen = machine.freeze().await?;
        next("writing the template");
        let folder = staging.path().to_owned();
        let (staging, manifest) = {
            let write = Draft {
                key: key.clone(),
                agent,
                image: Arc::clone(&image),
                kernel: self.kernel.release().to_owned(),
                format: self.memory.setup.format,
            };
            blocking(move || write.write(staging, frozen, &scratch)).await?
        };
        // Its memory and disk are in files now.
        drop(machine);
        next("trying the template");
        let loaded = {
            let manifest = Arc::new(manifest.clone());
            let mode = self.memory.setup.choice.mode;
            let load = move || {
                let loaded = LoadedTemplate::load(&folder, manifest, &image, pin, mode)?;
                loaded.verify()?;
                Ok(loaded)
            };
            blocking(load)
                .await
                .map_err(|error: LoadError| BakeError::Unusable(chain(&error)))?
        };
        let trials = Trials {
            engine: Arc::clone(&self.engine),
            memory: self.memory.clone(),
            within: self.limits.start_within,
        };
        let recordings = trials.run(&loaded, staging.path()).await?;
        let store = Arc::clone(&self.store);
        let manifest = Manifest {
            bake_ms: begin.elapsed().as_millis() as u64,
            boot_ms,
            ..manifest
        };
        blocking(move || {
            if !recordings.is_empty() {
                loaded.working_sets.keep(&recordings)?;
            }
            let manifest = store.keep(staging, manifest)?;
            let folder = store.path(&manifest.id);
            Ok(loaded.kept(manifest, &folder))
        })
        .await
        .map_err(BakeError::Write)
    }

    /// Memory is the most that a bake writes; half of it is typical for the little that a guest has touched.
    fn check_room(&self, shape: Shape) -> Result<(), BakeError> {
        let folder = self.store.folder();
        let free_bytes = free_bytes(folder).map_err(BakeError::Write)?;
        let needed_bytes = self
            .limits
            .disk_reserve_bytes
            .saturating_add(shape.memory_bytes() / 2);
        if free_bytes < needed_bytes {
            return Err(BakeError::DiskFull {
                folder: folder.to_owned(),
                needed_bytes,
                free_bytes,
            });
        }
        Ok(())
    }

    fn boot_spec(
        &self,
        key: &TemplateKey,
        image: &Image,
        scratch: &File,
    ) -> Result<BootSpec, BakeError> {
        let root = image.open_root().map_err(BakeError::Write)?;
        Ok(BootSpec {
            id: VmmId::random("bake").map_err(BakeError::Write)?,
            shape: key.shape,
            kernel: Arc::clone(&self.kernel),
            root: RootDisk {
                file: Arc::new(root),
                fs: root_fs(image.fs),
            },
            scratch: scratch.try_clone().map_err(BakeError::Write)?,
            boot_timeout: self.limits.bake_within,
        })
    }
}

/// Starts the image's interpreters and takes the paths of requests once.
///
/// # Errors
/// [`BakeError::Prepare`].
pub(crate) async fn get_ready(
    guest: &GuestConnection,
    image: &Image,
) -> Result<AgentInfo, BakeError> {
    let env = split_env(&image.config.env);
    let opening = Opening {
        wake: None,
        request: Request::Prepare { env },
    };
    guest.call(&opening).await?;
    info(guest).await
}

/// Asked last: only now the interpreters are there.
async fn info(guest: &GuestConnection) -> Result<AgentInfo, BakeError> {
    let opening = Opening {
        wake: None,
        request: Request::Info,
    };
    match guest.call(&opening).await? {
        Reply::Info(info) => Ok(info),
        _ => Err(GuestError::Unexpected(FrameKind::Reply).into()),
    }
}

/// The languages whose interpreters wait in the guest.
fn languages(agent: &AgentInfo) -> Vec<Language> {
    let named = agent.interpreters.iter();
    named.map(|(language, _)| *language).collect()
}

/// What a manifest is made of.
struct Draft {
    key: TemplateKey,
    agent: AgentInfo,
    image: Arc<Image>,
    kernel: String,
    format: TemplateFormat,
}

impl Draft {
    fn write(
        self,
        staging: Staging,
        frozen: Frozen,
        scratch: &File,
    ) -> Result<(Staging, Manifest), BakeError> {
        let folder = staging.path();
        let memory = File::create_new(folder.join("memory.bin")).map_err(BakeError::Write)?;
        write_memory(self.format, memory, &frozen.memory, self.key.shape)?;
        let state = frozen.device_state;
        std::fs::write(folder.join("state.bin"), &state).map_err(BakeError::Write)?;
        let scratch_sha256 = write_scratch(folder, scratch).map_err(BakeError::Write)?;
        let manifest = Manifest {
            version: crate::template::FORMAT_VERSION,
            id: self.key.id(),
            image: self.key.image,
            config: self.image.config.clone(),
            shape: self.key.shape,
            memory: self.format,
            engine: self.key.engine,
            kernel: self.kernel,
            protocol: self.agent.protocol,
            languages: languages(&self.agent),
            agent: self.agent.version,
            scratch_bytes: self.key.scratch_bytes,
            scratch_sha256,
            state_sha256: sha256(&state),
            created_at: now_s(),
            bake_ms: 0,
            boot_ms: 0,
            function: self.key.function,
        };
        Ok((staging, manifest))
    }
}

fn write_memory(
    format: TemplateFormat,
    into: File,
    memory: &File,
    shape: Shape,
) -> Result<(), WriteError> {
    let bytes = shape.memory_bytes();
    match format {
        TemplateFormat::Plain => SparseWriter::new(into).write(memory, bytes)?,
        TemplateFormat::Zstd => CompressedWriter::new(into).write(memory, bytes)?,
    };
    Ok(())
}

fn write_scratch(folder: &Path, scratch: &File) -> io::Result<String> {
    let kept = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(folder.join("scratch.img"))?;
    let length = scratch.metadata()?.len();
    kept.set_len(length)?;
    copy_extents(scratch, &kept)?;
    scratch_sha256(&kept, length)
}

fn free_bytes(folder: &Path) -> io::Result<u64> {
    let figures = nix::sys::statvfs::statvfs(folder)?;
    Ok(figures.blocks_available() as u64 * figures.fragment_size())
}

fn now_s() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_secs()
}
