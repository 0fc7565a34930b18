//! A runner on a storage root of its own that is gone with it.

use std::{sync::Arc, time::Duration};

use tempfile::TempDir;
use thaw_runner::{
    CreateVm, ExecCall, RunError, Runner, RunnerLimits, RunningExec, Store, VmError, VmFilter,
    VmInfo, VmSource,
    node::{
        ExecError, ExecEvent, ExecProgram, ExecRequest, LocalNode, Node, NodeLimits, PoolSettings,
        TemplateSelector, ensure_fake_image, fake_limits, fake_node_config,
        vmm::{FakeEngine, Shape, protocol::ExitStatus},
    },
};

use crate::double::{Double, Taken};

pub(crate) struct World {
    pub(crate) runner: Runner,
    pub(crate) engine: FakeEngine,
    pub(crate) taken: Taken,
    folder: TempDir,
    limits: RunnerLimits,
}

impl World {
    pub(crate) async fn new(limits: RunnerLimits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::open(folder, FakeEngine::default(), Taken::default(), limits).await
    }

    pub(crate) async fn default() -> Self {
        Self::new(RunnerLimits::default()).await
    }

    async fn open(folder: TempDir, engine: FakeEngine, taken: Taken, limits: RunnerLimits) -> Self {
        let node_limits = NodeLimits {
            pool: PoolSettings {
                min: 1,
                max: 4,
                idle: Duration::from_secs(300),
            },
            ..fake_limits()
        };
        let config = fake_node_config(folder.path(), &engine, node_limits).unwrap();
        ensure_fake_image(&config.images).await.unwrap();
        let node: Arc<dyn Node> = Arc::new(Double {
            inner: LocalNode::open(config).await.unwrap(),
            taken: taken.clone(),
        });
        let store = Store::open(&folder.path().join("runner.db")).unwrap();
        Self {
            runner: Runner::open(node, store, limits).await.unwrap(),
            engine,
            taken,
            folder,
            limits,
        }
    }

    /// Its storage root.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Stops the daemon's part and starts it again on the same storage root; VMMs go on meanwhile.
    pub(crate) async fn restart(self) -> Self {
        self.runner.shut_down().await;
        drop(self.runner);
        Self::open(self.folder, self.engine, self.taken, self.limits).await
    }

    pub(crate) async fn once(&self, words: &[&str]) -> Result<RunningExec, RunError> {
        let call = ExecCall {
            selector: selector(),
            exec: request(words),
            start_within: Duration::from_secs(30),
        };
        self.runner.exec_once(call).await
    }

    pub(crate) async fn create(&self, name: Option<&str>) -> Result<VmInfo, VmError> {
        self.create_with(name, |_| {}).await
    }

    pub(crate) async fn create_with(
        &self,
        name: Option<&str>,
        change: impl FnOnce(&mut CreateVm),
    ) -> Result<VmInfo, VmError> {
        let mut call = CreateVm {
            source: VmSource::Template(selector()),
            name: name.map(str::to_owned),
            disk_mib: None,
            env: None,
            metadata: None,
            files: Vec::new(),
            idle_timeout: None,
            max_lifetime: None,
            network: false,
            owner: None,
            start_within: Duration::from_secs(30),
        };
        change(&mut call);
        self.runner.create_vm(call).await
    }

    pub(crate) async fn run(&self, vm: &str, words: &[&str]) -> Result<String, VmError> {
        let running = self.runner.vm_exec(vm, request(words)).await?;
        let (output, _) = finish(running).await?;
        Ok(String::from_utf8(output).unwrap())
    }

    /// Waits until the VM is as it should be.
    pub(crate) async fn vm_is(&self, vm: &str, is: impl Fn(&VmInfo) -> bool) -> VmInfo {
        let mut events = self.runner.follow_events(None);
        let looking = async {
            loop {
                let info = self.runner.vm(vm).unwrap();
                if is(&info) {
                    return info;
                }
                events.next().await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(30), looking)
            .await
            .unwrap()
    }

    /// Waits until the VM is there no more.
    pub(crate) async fn vm_is_gone(&self, vm: &str) {
        let mut events = self.runner.follow_events(None);
        let looking = async {
            while self.runner.vm(vm).is_ok() {
                events.next().await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(30), looking)
            .await
            .unwrap();
    }

    pub(crate) fn vms(&self) -> Vec<VmInfo> {
        self.runner.vms(&VmFilter::default(), None, 1000).items
    }

    /// Waits until no VM is leased; a second is the promise.
    pub(crate) async fn nothing_is_leased(&self) {
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

    pub(crate) async fn close(self) {
        for vm in self.vms() {
            self.runner.delete_vm(vm.id.as_str()).await.unwrap();
        }
        self.nothing_is_leased().await;
        self.runner.shut_down().await;
        assert_eq!(self.engine.live(), []);
    }
}

pub(crate) fn selector() -> TemplateSelector {
    TemplateSelector::Image {
        image: "tiny".to_owned(),
        shape: Shape {
            vcpus: 1,
            memory_mib: 128,
        },
    }
}

pub(crate) fn request(words: &[&str]) -> ExecRequest {
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

pub(crate) async fn finish(mut running: RunningExec) -> Result<(Vec<u8>, ExitStatus), ExecError> {
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
