//! The daemon: everything is opened in order, served, and ended in the opposite order.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result};
use thaw_api::{
    ApiConfig, ServerConfig, Service,
    auth::{ApiKey, Auth},
    is_loopback, listen, serve,
};
use thaw_runner::{
    Runner, RunnerLimits, Store,
    functions::{Functions, FunctionsConfig, FunctionsLimits},
    node::{
        self, LocalNode, MemoryConfig, MemorySetup, Node, NodeConfig, NodeLimits, StorageLock,
        image::ImageStore,
        make_root, probe,
        vmm::{
            Accelerator, AcceleratorChoice, GuestKernel, Qemu, QemuConfig, UidRange,
            choose_accelerator,
        },
    },
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    arguments::{Accel, Memory, Storage, TemplateFormat},
    embedded,
};

/// A daemon that listens and does not serve yet.
#[derive(Debug)]
pub(crate) struct Daemon {
    listener: TcpListener,
    service: Service,
    runner: Runner,
    functions: Functions,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

/// Where a daemon may be reached, and by which names.
#[derive(Debug, Clone)]
pub(crate) struct Reach {
    pub(crate) listen: SocketAddr,
    pub(crate) insecure: bool,
    pub(crate) allowed_hosts: Vec<String>,
    /// A key for the program itself, when it talks to a daemon inside itself.
    pub(crate) own_key: Option<ApiKey>,
}

impl Reach {
    /// A daemon inside this program, for it alone; the key is what it takes although authentication may be on.
    ///
    /// # Errors
    /// When the kernel gives no random bytes.
    pub(crate) fn inside() -> Result<(Self, ApiKey)> {
        let key = ApiKey::generate().context("making a key for the daemon inside")?;
        let reach = Self {
            listen: ([127, 0, 0, 1], 0).into(),
            insecure: false,
            allowed_hosts: Vec::new(),
            own_key: Some(key.clone()),
        };
        Ok((reach, key))
    }
}

impl Daemon {
    /// Opens the storage root, chooses the engine, ends what an earlier daemon left, and listens.
    ///
    /// # Errors
    /// The first thing that is missing, with what mends it.
    pub(crate) async fn open(
        storage: &Storage,
        reach: &Reach,
        limits: RunnerLimits,
    ) -> Result<Self> {
        let root = root(storage)?;
        let auth = Auth::with_own_key(&root, reach.own_key.as_ref())?;
        // An address that can't be had is told before anything else is touched.
        let listener = listen(reach.listen, auth.is_on().await?, reach.insecure).await?;
        let address = listener.local_addr()?;
        let lock = StorageLock::take(&root)?;
        let kernel = Arc::new(kernel(storage)?);
        let choice = accelerator(storage.place.accel, &kernel).await;
        tracing::info!(accelerator = %choice.accelerator, reason = choice.reason, "engine chosen");
        let engine = Qemu::open(QemuConfig {
            storage_root: root.clone(),
            accelerator: choice.accelerator,
            uids: UidRange::default(),
            shim: embedded::shim()?.to_vec(),
        })
        .await?;
        let memory = memory(storage)?;
        tracing::info!(mode = %memory.choice.mode, reason = memory.choice.reason, "memory chosen");
        let images = NodeConfig::images_folder(&lock);
        let images = ImageStore::open(&images)
            .with_context(|| format!("opening the images in {}", images.display()))?;
        let node = LocalNode::open(NodeConfig {
            storage: lock,
            engine: Arc::new(engine),
            engine_reason: choice.reason,
            images: Arc::new(images),
            kernel,
            memory,
            limits: NodeLimits::default(),
        })
        .await?;
        let node: Arc<dyn Node> = Arc::new(node);
        let store = Store::open(&root.join("runner.db"))?;
        let config = FunctionsConfig {
            folder: root.join("functions"),
            limits: FunctionsLimits::default(),
        };
        let functions = Functions::open(Arc::clone(&node), store.clone(), config).await?;
        let runner = Runner::open(node, store, limits).await?;
        let mut config = ApiConfig::new(root.join("run/uploads"));
        config.allowed_hosts.clone_from(&reach.allowed_hosts);
        let is_loopback = is_loopback(address.ip());
        config.allow_any_address = reach.insecure || !is_loopback;
        config.exposed = !reach.insecure && !is_loopback;
        config.dashboard = embedded::DASHBOARD;
        Ok(Self {
            service: Service::open(runner.clone(), functions.clone(), auth, config)?,
            listener,
            runner,
            functions,
            address,
        })
    }

    /// Serves until `stop`, then ends every VMM but those of VMs that stay.
    ///
    /// # Errors
    /// When the listener fails for good; VMMs are ended then, too.
    pub(crate) async fn serve(self, stop: CancellationToken) -> Result<()> {
        let served = serve(self.listener, self.service, &ServerConfig::default(), stop).await;
        self.functions.shut_down().await;
        self.runner.shut_down().await;
        if let thaw_api::Stopped::GraceOver = served? {
            tracing::warn!("requests were still running when the daemon stopped");
        }
        Ok(())
    }
}

/// The storage root: as named, else the default for root or for a user.
///
/// # Errors
/// When nothing is named and there is no home directory.
pub(crate) fn root(storage: &Storage) -> Result<PathBuf> {
    root_at(storage.place.storage.as_deref())
}

/// As [`root`], for commands that need nothing else of a daemon's settings.
///
/// # Errors
/// Those of [`root`].
pub(crate) fn root_at(named: Option<&Path>) -> Result<PathBuf> {
    let root = match named {
        Some(root) => root.to_owned(),
        None if nix::unistd::geteuid().is_root() => PathBuf::from("/var/lib/thaw"),
        None => {
            let home = std::env::var_os("HOME")
                .context("there is no HOME; name the storage root with --storage")?;
            Path::new(&home).join(".local/share/thaw")
        }
    };
    make_root(&root)?;
    Ok(root.canonicalize()?)
}

/// The guests' kernel with the agent inside its initramfs.
///
/// # Errors
/// What is missing.
pub(crate) fn kernel(storage: &Storage) -> Result<GuestKernel> {
    let named = match &storage.kernel {
        Some(path) => Some(path.clone()),
        None => Some(kernel_file(&root(storage)?)).filter(|taken| taken.exists()),
    };
    Ok(GuestKernel::load(named.as_deref(), embedded::agent()?)?)
}

/// Where `thaw init --kernel` puts a kernel.
pub(crate) fn kernel_file(root: &Path) -> PathBuf {
    root.join("kernel/bzImage")
}

/// How clones get their memory on this machine.
///
/// # Errors
/// When userfaultfd is asked for and not permitted.
pub(crate) fn memory(storage: &Storage) -> Result<MemorySetup> {
    let wanted = match storage.place.memory {
        Memory::Auto => MemoryConfig::Auto,
        Memory::Uffd => MemoryConfig::Uffd,
        Memory::File => MemoryConfig::File,
    };
    Ok(MemorySetup {
        choice: probe().choose(wanted)?,
        format: match storage.place.template_format {
            TemplateFormat::Plain => node::TemplateFormat::Plain,
            TemplateFormat::Zstd => node::TemplateFormat::Zstd,
        },
    })
}

/// The accelerator that was asked for, else the one that a trial finds.
pub(crate) async fn accelerator(wanted: Accel, kernel: &GuestKernel) -> AcceleratorChoice {
    let asked = |accelerator| AcceleratorChoice {
        accelerator,
        reason: "asked for".to_owned(),
    };
    match wanted {
        Accel::Auto => choose_accelerator(kernel).await,
        Accel::Kvm => asked(Accelerator::Kvm),
        Accel::Tcg => asked(Accelerator::Tcg),
    }
}
