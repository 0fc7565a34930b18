//! Nodes on one storage root, and what is done to its files between them.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use thaw_pool_manager::{
    ExecEvent, ExecProgram, ExecRequest, Lease, LeaseId, LeaseRequest, LocalNode, MemoryChoice,
    MemoryConfig, MemorySetup, Node as _, NodeConfig, NodeLimits, PoolInfo, PoolSettings,
    StorageLock, TemplateFormat, TemplateId, TemplateInfo, TemplateSelector,
    image::{ImageStore, ProgressSink},
    probe,
    vmm::{
        Engine as _, GuestKernel, Qemu, QemuConfig, Shape, UidRange, choose_accelerator,
        protocol::ExitStatus,
    },
};

use super::Memory;

/// For everything that must happen at all.
const SOON: Duration = Duration::from_secs(600);

/// How often a node is looked at while something is waited for.
const LOOK: Duration = Duration::from_millis(1);

/// What all nodes of a run have in common.
#[derive(Debug)]
pub(crate) struct Lab {
    root: PathBuf,
    engine: Arc<Qemu>,
    engine_reason: String,
    kernel: Arc<GuestKernel>,
}

/// How a node gives memory to its clones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Private mappings of the file.
    File,
    /// userfaultfd.
    Uffd,
}

impl Lab {
    pub(super) async fn new(memory: &Memory) -> Result<Self> {
        let root = &memory.storage;
        fs::create_dir_all(root).with_context(|| format!("making {}", root.display()))?;
        let read =
            |path: &Path| fs::read(path).with_context(|| format!("reading {}", path.display()));
        let kernel = Arc::new(GuestKernel::load(None, &read(&memory.agent)?)?);
        let choice = choose_accelerator(&kernel).await;
        let engine = Qemu::open(QemuConfig {
            storage_root: root.clone(),
            accelerator: choice.accelerator,
            uids: UidRange::default(),
            shim: read(&memory.shim)?,
        })
        .await?;
        Ok(Self {
            root: root.canonicalize()?,
            engine: Arc::new(engine),
            engine_reason: choice.reason,
            kernel,
        })
    }

    pub(super) fn engine(&self) -> String {
        self.engine.identity().to_string()
    }

    /// A node that holds nothing yet. Its pools park nothing, and have `shells` shells, once they are
    /// given bounds to park for.
    pub(super) async fn open(
        &self,
        mode: Mode,
        format: TemplateFormat,
        shells: u32,
    ) -> Result<LocalNode> {
        let storage = StorageLock::take(&self.root)?;
        // Bounds that were set for one measurement are not for the next.
        remove(&self.root.join("pools.json"))?;
        let images = ImageStore::open(&NodeConfig::images_folder(&storage))?;
        let config = NodeConfig {
            storage,
            engine: Arc::clone(&self.engine) as Arc<_>,
            engine_reason: self.engine_reason.clone(),
            images: Arc::new(images),
            kernel: Arc::clone(&self.kernel),
            memory: MemorySetup {
                choice: mode.choose()?,
                format,
            },
            limits: NodeLimits {
                spare_shells: shells,
                bake_within: Duration::from_secs(300),
                pool: PoolSettings {
                    min: 0,
                    max: 0,
                    idle: Duration::from_secs(3600),
                },
                ..NodeLimits::default()
            },
        };
        Ok(LocalNode::open(config).await?)
    }

    /// Makes the `python` image and its template of 256 MiB where they are missing.
    pub(super) async fn python(&self) -> Result<TemplateInfo> {
        crate::report::progress("the python template");
        let node = self.open(Mode::Uffd, TemplateFormat::Plain, 0).await?;
        let made = node.ensure_template(&python(), &ProgressSink::none()).await;
        node.shut_down().await;
        Ok(made?)
    }

    pub(super) fn folder(&self, template: &TemplateId) -> PathBuf {
        self.root.join("templates").join(template.as_str())
    }

    /// Forgets what earlier restores cost, so that the next one is the only one.
    pub(super) fn forget_restores(&self, template: &TemplateId) -> Result<()> {
        remove(&self.folder(template).join("restores.json"))?;
        Ok(())
    }

    /// Drops the template and its image from the page cache.
    pub(super) fn drop_cache(&self, template: &TemplateInfo) -> Result<()> {
        let digest = template.image.trim_start_matches("sha256:");
        let image = self.root.join("images").join(digest);
        for folder in [self.folder(&template.id), image] {
            let entries = fs::read_dir(&folder);
            for entry in entries.with_context(|| format!("reading {}", folder.display()))? {
                let file = File::open(entry?.path())?;
                // What is not written yet can't be dropped.
                file.sync_all()?;
                posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?;
            }
        }
        Ok(())
    }
}

impl Mode {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Uffd => "uffd",
        }
    }

    fn choose(self) -> Result<MemoryChoice> {
        let config = match self {
            Self::File => MemoryConfig::File,
            Self::Uffd => MemoryConfig::Uffd,
        };
        Ok(probe().choose(config)?)
    }
}

fn python() -> TemplateSelector {
    TemplateSelector::Image {
        image: "python".to_owned(),
        shape: Shape {
            vcpus: 1,
            memory_mib: 256,
        },
    }
}

pub(super) async fn lease(node: &LocalNode, template: &TemplateId) -> Result<Lease> {
    let request = LeaseRequest {
        template: TemplateSelector::Template(template.clone()),
        start_within: SOON,
    };
    Ok(node.lease(request).await?)
}

/// Bounds that keep exactly so many clones parked.
pub(super) fn parking(count: u32) -> PoolSettings {
    PoolSettings {
        min: count,
        max: count,
        idle: Duration::from_secs(3600),
    }
}

/// Runs `echo` and returns when its output was there, and how long the clone's resume took.
pub(super) async fn first_output(node: &LocalNode, lease: &LeaseId) -> Result<(Instant, Duration)> {
    let request = ExecRequest {
        program: ExecProgram::Argv(vec!["echo".to_owned(), "thawed".to_owned()]),
        env: Vec::new(),
        cwd: None,
        user: None,
        stdin: false,
        timeout: Some(SOON),
        output_limit_bytes: 1024,
        pty: None,
    };
    let mut handle = node.exec(lease, request).await?;
    let mut first = None;
    while let Some(event) = handle.output.recv().await {
        match event? {
            ExecEvent::Stdout(_) => {
                first.get_or_insert_with(Instant::now);
            }
            ExecEvent::Stderr(bytes) => bail!("{}", String::from_utf8_lossy(&bytes)),
            ExecEvent::Exit { exit, timings } => {
                if exit.status != ExitStatus::Exited(0) {
                    bail!("echo ended with {:?}", exit.status);
                }
                return Ok((first.context("echo said nothing")?, timings.resume));
            }
        }
    }
    bail!("echo had no end")
}

/// Waits until the node's description of a template has what is wished for.
pub(super) async fn template_has<T>(
    node: &LocalNode,
    id: &TemplateId,
    wished: impl Fn(&TemplateInfo) -> Option<T>,
) -> Result<T> {
    let mut pace = tokio::time::interval(LOOK);
    let deadline = Instant::now() + SOON;
    while Instant::now() < deadline {
        pace.tick().await;
        let templates = node.templates().await;
        let known = templates.iter().find(|known| known.id == *id);
        if let Some(found) = known.and_then(&wished) {
            return Ok(found);
        }
    }
    bail!("template {id} did not become as it should within {SOON:?}")
}

/// Waits until a template's pool is as wished and nothing is on its way.
pub(super) async fn pool_is(
    node: &LocalNode,
    id: &TemplateId,
    wished: impl Fn(&PoolInfo) -> bool,
) -> Result<()> {
    let mut pace = tokio::time::interval(LOOK);
    let deadline = Instant::now() + SOON;
    while Instant::now() < deadline {
        pace.tick().await;
        let pools = node.pools().await;
        let pool = pools.iter().find(|pool| pool.template == *id);
        if pool.is_some_and(|pool| pool.starting == 0 && wished(pool)) {
            return Ok(());
        }
    }
    bail!("the pool of {id} did not become as it should within {SOON:?}")
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
