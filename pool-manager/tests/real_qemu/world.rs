//! A node on QEMU with an image of one static program, in a storage root of its own.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use thaw_pool_manager::{
    ExecError, ExecEvent, ExecProgram, ExecRequest, Lease, LeaseError, LeaseId, LeaseRequest,
    LocalNode, MemoryConfig, MemorySetup, Node as _, NodeConfig, NodeLimits, PoolInfo,
    PoolSettings, StorageLock, TemplateFormat, TemplateSelector,
    image::{AddOptions, ImageSource, ImageStore, ProgressSink, Upload},
    probe,
    vmm::{
        Accelerator, GuestKernel, Qemu, QemuConfig, Shape, UidRange,
        protocol::{Exit, ExitStatus},
    },
};

const PROGRAMS: [&str; 12] = [
    "sh", "echo", "cat", "hostname", "head", "od", "sleep", "true", "wc", "sync", "md5sum", "dd",
];

pub(crate) struct World {
    pub(crate) node: LocalNode,
    pub(crate) root: Root,
}

/// A storage root: one that is removed when it is dropped, or another process's.
#[derive(Debug)]
pub(crate) enum Root {
    Own(TempDir),
    Lent(PathBuf),
}

/// A test that fails leaves no VM that stays.
impl Drop for Root {
    fn drop(&mut self) {
        if let Self::Own(_) = self {
            self.kill(|_| true);
        }
    }
}

impl Root {
    pub(crate) fn new() -> Self {
        Self::Own(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Own(folder) => folder.path(),
            Self::Lent(path) => path,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) exit: Exit,
}

impl Ran {
    pub(crate) fn ok(&self) -> bool {
        self.exit.status == ExitStatus::Exited(0)
    }
}

impl World {
    /// A world whose template is baked and whose pool is full.
    pub(crate) async fn filled() -> Self {
        let world = Self::new().await;
        let template = world
            .node
            .ensure_template(&selector(), &ProgressSink::none())
            .await
            .unwrap();
        assert_eq!(template.shape.memory_mib, 128);
        world.full().await;
        world
    }

    pub(crate) async fn new() -> Self {
        Self::open(Root::new()).await
    }

    pub(crate) async fn open(root: Root) -> Self {
        Self::open_with(root, served()).await
    }

    /// A node over a storage root that may have been used before.
    pub(crate) async fn open_with(root: Root, memory: MemorySetup) -> Self {
        Self::open_with_pools_of(2, root, memory).await
    }

    /// A node whose pools keep `min` parked clones.
    pub(crate) async fn open_with_pools_of(min: u32, root: Root, memory: MemorySetup) -> Self {
        let shim = std::env::var_os("THAW_SHIM_BIN").expect("THAW_SHIM_BIN; run `make test`");
        let engine = QemuConfig {
            storage_root: root.path().to_owned(),
            accelerator: Accelerator::Tcg,
            uids: UidRange::default(),
            shim: fs::read(shim).expect("the shim; run `make shim`"),
        };
        let storage = StorageLock::take(root.path()).unwrap();
        let images = ImageStore::open(&NodeConfig::images_folder(&storage)).unwrap();
        if images.find("busybox").is_none() {
            add_busybox(&images, root.path()).await;
        }
        let agent = std::env::var_os("THAW_AGENT_BIN").expect("THAW_AGENT_BIN; run `make test`");
        let agent = fs::read(agent).expect("the guest agent; run `make agent`");
        let config = NodeConfig {
            storage,
            engine: Arc::new(Qemu::open(engine).await.unwrap()),
            engine_reason: "a test asked for it".to_owned(),
            images: Arc::new(images),
            kernel: Arc::new(GuestKernel::load(None, &agent).unwrap()),
            memory,
            limits: NodeLimits {
                scratch_bytes: 256 << 20,
                pool: PoolSettings {
                    min,
                    max: 4,
                    idle: Duration::from_secs(300),
                },
                ..NodeLimits::default()
            },
        };
        Self {
            node: LocalNode::open(config).await.unwrap(),
            root,
        }
    }

    /// Ends the node as a daemon ends: VMs that stay run on.
    pub(crate) async fn stop(self) -> Root {
        self.node.shut_down().await;
        self.root
    }

    pub(crate) async fn close(self) -> Root {
        self.node.shut_down().await;
        assert_eq!(self.vmms(), [], "VMMs were left behind");
        for folder in ["run/vmm", "run/scratch", "vms"] {
            let left = fs::read_dir(self.root.path().join(folder)).unwrap().count();
            assert_eq!(left, 0, "{folder} is not empty");
        }
        // The lock goes with the node.
        drop(self.node);
        self.root
    }

    pub(crate) async fn lease(&self) -> Result<Lease, LeaseError> {
        let request = LeaseRequest {
            template: selector(),
            start_within: Duration::from_secs(60),
        };
        self.node.lease(request).await
    }

    /// Runs a shell command in a VM of its own.
    pub(crate) async fn once(&self, line: &str) -> Result<Ran, ExecError> {
        let lease = self.lease().await.unwrap();
        let ran = self.run(&lease.id, shell(line)).await;
        self.node.release(&lease.id);
        ran
    }

    pub(crate) async fn run(
        &self,
        lease: &LeaseId,
        request: ExecRequest,
    ) -> Result<Ran, ExecError> {
        let mut handle = self.node.exec(lease, request).await?;
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        while let Some(event) = handle.output.recv().await {
            match event? {
                ExecEvent::Stdout(bytes) => stdout.extend_from_slice(&bytes),
                ExecEvent::Stderr(bytes) => stderr.extend_from_slice(&bytes),
                ExecEvent::Exit { exit, .. } => {
                    return Ok(Ran {
                        stdout,
                        stderr,
                        exit,
                    });
                }
            }
        }
        panic!("the output ended without an exit or an error")
    }

    pub(crate) async fn pool(&self) -> PoolInfo {
        self.node.pools().await.remove(0)
    }

    pub(crate) async fn pool_is(&self, is: impl Fn(&PoolInfo) -> bool) -> PoolInfo {
        let looking = async {
            loop {
                let pool = self.pool().await;
                if is(&pool) {
                    return pool;
                }
                let pause = Duration::from_millis(2);
                let _ = tokio::time::timeout(pause, std::future::pending::<()>()).await;
            }
        };
        match tokio::time::timeout(Duration::from_secs(60), looking).await {
            Ok(pool) => pool,
            Err(_) => panic!("the pool stays as {:?}", self.pool().await),
        }
    }

    /// Waits until there is an answer.
    pub(crate) async fn eventually<T>(&self, mut look: impl AsyncFnMut() -> Option<T>) -> T {
        let looking = async {
            loop {
                if let Some(found) = look().await {
                    return found;
                }
                let pause = Duration::from_millis(20);
                let _ = tokio::time::timeout(pause, std::future::pending::<()>()).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(120), looking)
            .await
            .expect("it does not come")
    }

    pub(crate) async fn full(&self) -> PoolInfo {
        self.pool_is(|pool| pool.parked >= 2 && pool.shells == 2 && pool.starting == 0)
            .await
    }

    /// The VMMs of this storage root: their names and pids.
    pub(crate) fn vmms(&self) -> Vec<(String, Pid)> {
        self.root.vmms()
    }

    /// Kills the VMMs whose names fit.
    pub(crate) fn kill(&self, fits: impl Fn(&str) -> bool) -> usize {
        self.root.kill(fits)
    }
}

impl Root {
    /// The VMMs of this storage root: their names and pids.
    pub(crate) fn vmms(&self) -> Vec<(String, Pid)> {
        let root = self.path().canonicalize().unwrap();
        let tag = Sha256::digest(root.as_os_str().as_encoded_bytes());
        let prefix = format!("thaw-{}-", hex::encode(&tag[..4]));
        let processes = fs::read_dir("/proc").unwrap();
        processes
            .filter_map(|entry| {
                let pid: i32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
                let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
                let line = String::from_utf8_lossy(&line).into_owned();
                let (_, rest) = line.split_once(&prefix)?;
                let id = rest
                    .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
                    .next()?;
                Some((id.to_owned(), Pid::from_raw(pid)))
            })
            .collect()
    }

    /// Kills the VMMs whose names fit.
    pub(crate) fn kill(&self, fits: impl Fn(&str) -> bool) -> usize {
        let fitting = self.vmms().into_iter().filter(|(id, _)| fits(id));
        fitting
            .map(|(_, pid)| kill(pid, Signal::SIGKILL))
            .filter(Result::is_ok)
            .count()
    }
}

/// Memory that is filled on demand.
pub(crate) fn served() -> MemorySetup {
    MemorySetup {
        choice: probe()
            .choose(MemoryConfig::Uffd)
            .expect("userfaultfd; run the tests as root"),
        format: TemplateFormat::Plain,
    }
}

pub(crate) fn selector() -> TemplateSelector {
    TemplateSelector::Image {
        image: "busybox".to_owned(),
        shape: Shape {
            vcpus: 1,
            memory_mib: 128,
        },
    }
}

pub(crate) fn shell(line: &str) -> ExecRequest {
    request(ExecProgram::Shell(line.to_owned()))
}

pub(crate) fn argv(words: &[&str]) -> ExecRequest {
    let words = words.iter().map(|word| (*word).to_owned()).collect();
    request(ExecProgram::Argv(words))
}

fn request(program: ExecProgram) -> ExecRequest {
    ExecRequest {
        program,
        env: Vec::new(),
        cwd: None,
        user: None,
        stdin: false,
        timeout: Some(Duration::from_secs(60)),
        output_limit_bytes: 64 << 20,
        pty: None,
    }
}

async fn add_busybox(images: &ImageStore, folder: &Path) {
    let path: PathBuf = folder.join("rootfs.tar");
    let mut tar = tar::Builder::new(File::create(&path).unwrap());
    let busybox = fs::read("/bin/busybox").expect("busybox; run `make setup-test`");
    append(&mut tar, "bin/busybox", 0o755, &busybox);
    append(
        &mut tar,
        "etc/passwd",
        0o644,
        b"root:x:0:0:root:/root:/bin/sh\n",
    );
    for name in PROGRAMS {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        tar.append_link(&mut header, format!("bin/{name}"), "busybox")
            .unwrap();
    }
    tar.into_inner().unwrap().flush().unwrap();
    let options = AddOptions {
        name: Some("busybox".parse().unwrap()),
        ..AddOptions::default()
    };
    let source = ImageSource::RootFs(Upload { path });
    images
        .add(source, options, &ProgressSink::none())
        .await
        .unwrap();
}

fn append(tar: &mut tar::Builder<File>, path: &str, mode: u32, data: &[u8]) {
    let mut header = tar::Header::new_ustar();
    header.set_size(data.len() as u64);
    header.set_mode(mode);
    tar.append_data(&mut header, path, data).unwrap();
}
