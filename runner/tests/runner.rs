//! The runner over a node on the fake engine: whoever gives up, at any point, gives the VM back.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs::File, io::Write as _, sync::Arc, time::Duration};

use tempfile::TempDir;
use thaw_runner::{
    CreateVm, ExecCall, RunError, Runner, RunnerLimits, RunningExec, VmError,
    node::{
        ExecError, ExecEvent, ExecProgram, ExecRequest, LocalNode, Node, NodeConfig, NodeLimits,
        PoolSettings, StartKind, StorageLock, TemplateSelector,
        image::{AddOptions, ImageSource, ImageStore, ProgressSink, Upload},
        vmm::{FakeEngine, GuestKernel, Shape, protocol::ExitStatus},
    },
};

struct World {
    runner: Runner,
    engine: FakeEngine,
    _folder: TempDir,
}

impl World {
    async fn new(limits: RunnerLimits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let engine = FakeEngine::default();
        let storage = StorageLock::take(folder.path()).unwrap();
        let images = ImageStore::open(&NodeConfig::images_folder(&storage)).unwrap();
        add_image(&images, &folder).await;
        let config = NodeConfig {
            storage,
            engine: Arc::new(engine.clone()),
            engine_reason: "a test asked for it".to_owned(),
            images: Arc::new(images),
            kernel: Arc::new(GuestKernel::load(None, b"agent").unwrap()),
            limits: NodeLimits {
                scratch_bytes: 64 << 20,
                disk_reserve_bytes: 0,
                pool: PoolSettings {
                    min: 1,
                    max: 4,
                    idle: Duration::from_secs(300),
                },
                ..NodeLimits::default()
            },
        };
        let node: Arc<dyn Node> = Arc::new(LocalNode::open(config).await.unwrap());
        Self {
            runner: Runner::new(node, limits),
            engine,
            _folder: folder,
        }
    }

    async fn once(&self, words: &[&str]) -> Result<RunningExec, RunError> {
        let call = ExecCall {
            selector: selector(),
            exec: request(words),
            start_within: Duration::from_secs(30),
        };
        self.runner.exec_once(call).await
    }

    async fn create(&self, name: Option<&str>) -> Result<String, VmError> {
        let call = CreateVm {
            selector: selector(),
            name: name.map(str::to_owned),
            start_within: Duration::from_secs(30),
        };
        let made = self.runner.create_vm(call).await?;
        Ok(made.id.as_str().to_owned())
    }

    /// Waits until no VM is leased; a second is the promise.
    async fn nothing_is_leased(&self) {
        let looking = async {
            while self
                .runner
                .node()
                .pools()
                .await
                .iter()
                .any(|pool| pool.leased > 0)
            {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(1), looking)
            .await
            .unwrap();
    }

    async fn close(self) {
        self.runner.shut_down().await;
        assert_eq!(self.engine.live(), []);
    }
}

async fn add_image(images: &ImageStore, folder: &TempDir) {
    let path = folder.path().join("rootfs.tar");
    let mut tar = tar::Builder::new(File::create(&path).unwrap());
    let mut header = tar::Header::new_ustar();
    header.set_size(4);
    header.set_mode(0o644);
    tar.append_data(&mut header, "etc/name", &b"tiny"[..])
        .unwrap();
    tar.into_inner().unwrap().flush().unwrap();
    let options = AddOptions {
        name: Some("tiny".parse().unwrap()),
        ..AddOptions::default()
    };
    let source = ImageSource::RootFs(Upload { path });
    images
        .add(source, options, &ProgressSink::none())
        .await
        .unwrap();
}

fn selector() -> TemplateSelector {
    TemplateSelector::Image {
        image: "tiny".to_owned(),
        shape: Shape {
            vcpus: 1,
            memory_mib: 128,
        },
    }
}

fn request(words: &[&str]) -> ExecRequest {
    ExecRequest {
        program: ExecProgram::Argv(words.iter().map(|word| (*word).to_owned()).collect()),
        env: Vec::new(),
        cwd: None,
        user: None,
        stdin: false,
        timeout: Some(Duration::from_secs(30)),
        output_limit_bytes: 1 << 20,
        pty: None,
    }
}

async fn finish(mut running: RunningExec) -> Result<(Vec<u8>, ExitStatus), ExecError> {
    let mut stdout = Vec::new();
    let (_input, output) = running.channels();
    while let Some(event) = output.recv().await {
        match event? {
            ExecEvent::Stdout(bytes) | ExecEvent::Stderr(bytes) => stdout.extend_from_slice(&bytes),
            ExecEvent::Exit { exit, .. } => return Ok((stdout, exit.status)),
        }
    }
    panic!("the output ended without an exit or an error")
}

#[tokio::test]
async fn each_exec_has_a_vm_of_its_own_that_is_gone_afterwards() {
    let world = World::new(RunnerLimits::default()).await;
    let first = world.once(&["hostname"]).await.unwrap();
    assert_eq!(first.start(), StartKind::Cold);
    let (id, second) = (
        first.vm_id().to_owned(),
        world.once(&["true"]).await.unwrap(),
    );
    assert_ne!(second.vm_id(), id);
    assert_eq!(
        finish(first).await.unwrap(),
        (id.into_bytes(), ExitStatus::Exited(0))
    );
    finish(second).await.unwrap();
    world.nothing_is_leased().await;
    world.close().await;
}

#[tokio::test]
async fn a_client_that_hangs_up_or_asks_for_nonsense_leaves_no_vm() {
    let world = World::new(RunnerLimits::default()).await;
    let running = world.once(&["hang"]).await.unwrap();
    drop(running);
    world.nothing_is_leased().await;
    let refused = world.once(&[]).await.unwrap_err();
    assert!(
        matches!(refused, RunError::Exec(ExecError::BadRequest(_))),
        "{refused:?}"
    );
    world.nothing_is_leased().await;
    world.close().await;
}

#[tokio::test]
async fn more_than_is_admitted_is_refused_at_once() {
    let world = World::new(RunnerLimits { execs: 1, vms: 1 }).await;
    let running = world.once(&["hang"]).await.unwrap();
    let refused = world.once(&["true"]).await.unwrap_err();
    assert!(
        matches!(refused, RunError::TooMany { limit: 1 }),
        "{refused:?}"
    );
    drop(running);
    finish(world.once(&["true"]).await.unwrap()).await.unwrap();
    world.create(None).await.unwrap();
    let refused = world.create(None).await.unwrap_err();
    assert!(
        matches!(refused, VmError::TooMany { limit: 1, .. }),
        "{refused:?}"
    );
    world.close().await;
}

#[tokio::test]
async fn a_vm_lives_on_between_its_execs_until_it_is_deleted() {
    let world = World::new(RunnerLimits::default()).await;
    let id = world.create(Some("web")).await.unwrap();
    let taken = world.create(Some("web")).await.unwrap_err();
    assert!(matches!(taken, VmError::NameTaken(_)), "{taken:?}");
    for name in ["web", id.as_str()] {
        let running = world
            .runner
            .vm_exec(name, request(&["hostname"]))
            .await
            .unwrap();
        assert_eq!(running.start(), StartKind::Reused);
        assert_eq!(finish(running).await.unwrap().0, id.as_bytes());
    }
    assert_eq!(world.runner.vms().len(), 1);
    world.runner.delete_vm("web").unwrap();
    world.nothing_is_leased().await;
    assert!(matches!(world.runner.vm(&id), Err(VmError::NotFound(_))));
    // The name is free again.
    world.create(Some("web")).await.unwrap();
    world.close().await;
}

#[tokio::test]
async fn a_vm_that_is_deleted_in_mid_exec_ends_the_exec() {
    let world = World::new(RunnerLimits::default()).await;
    let id = world.create(None).await.unwrap();
    let running = world.runner.vm_exec(&id, request(&["hang"])).await.unwrap();
    world.runner.delete_vm(&id).unwrap();
    world.nothing_is_leased().await;
    assert!(matches!(finish(running).await, Err(ExecError::Lost(_))));
    world.close().await;
}

#[tokio::test]
async fn a_vm_that_ended_by_itself_is_forgotten_when_it_is_next_used() {
    let world = World::new(RunnerLimits::default()).await;
    let id = world.create(Some("web")).await.unwrap();
    world.engine.kill(&id.clone().try_into().unwrap());
    let gone = world
        .runner
        .vm_exec(&id, request(&["true"]))
        .await
        .unwrap_err();
    assert!(
        matches!(gone, VmError::Exec(ExecError::VmEnded { .. })),
        "{gone:?}"
    );
    assert!(world.runner.vms().is_empty());
    world.create(Some("web")).await.unwrap();
    world.close().await;
}
