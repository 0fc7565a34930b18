//! A node on the fake engine, in a storage root of its own that is gone with it.

use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;
use thaw_pool_manager::{
    ExecError, ExecEvent, ExecProgram, ExecRequest, FAKE_IMAGE, Lease, LeaseError, LeaseId,
    LeaseRequest, LocalNode, Node as _, NodeLimits, PoolInfo, PoolSettings, TemplateSelector,
    ensure_fake_image, fake_limits, fake_node_config,
    vmm::{
        FakeEngine, Shape,
        protocol::{Exit, ExitStatus},
    },
};

pub(crate) struct World {
    pub(crate) node: LocalNode,
    pub(crate) engine: FakeEngine,
    pub(crate) root: Root,
}

/// A storage root: its own folder, or one that a test brings.
pub(crate) struct Root {
    pub(crate) folder: TempDir,
}

pub(crate) fn limits() -> NodeLimits {
    NodeLimits {
        starts_at_once: 2,
        pool: PoolSettings {
            min: 2,
            max: 4,
            idle: Duration::from_secs(300),
        },
        ..fake_limits()
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(limits(), FakeEngine::default()).await
    }

    pub(crate) async fn with(limits: NodeLimits, engine: FakeEngine) -> Self {
        Self::open(
            Root {
                folder: tempfile::tempdir().unwrap(),
            },
            limits,
            engine,
        )
        .await
    }

    pub(crate) async fn open(root: Root, limits: NodeLimits, engine: FakeEngine) -> Self {
        let config = fake_node_config(root.folder.path(), &engine, limits).unwrap();
        ensure_fake_image(&config.images).await.unwrap();
        let node = LocalNode::open(config).await.unwrap();
        Self { node, engine, root }
    }

    /// Ends the node, checks that it left nothing behind, and gives the storage root on.
    pub(crate) async fn close(self) -> Root {
        self.node.shut_down().await;
        assert_eq!(self.engine.live(), [], "VMMs were left behind");
        assert_eq!(self.node.figures().await.vmms, 0, "room was not given back");
        drop(self.node);
        for folder in ["run/scratch", "templates"] {
            let names = std::fs::read_dir(self.root.folder.path().join(folder)).unwrap();
            for name in names {
                let name = name.unwrap().file_name().into_string().unwrap();
                assert!(
                    folder == "templates" && name.len() == 16,
                    "{folder}/{name} was left behind"
                );
            }
        }
        self.root
    }

    /// Ends the node as a daemon ends: VMs that stay run on.
    pub(crate) async fn stop(self) -> (Root, FakeEngine) {
        self.node.shut_down().await;
        drop(self.node);
        (self.root, self.engine)
    }

    /// Ends the node and opens it again.
    pub(crate) async fn restart(self) -> Self {
        let (root, engine) = self.stop().await;
        Self::open(root, limits(), engine).await
    }

    pub(crate) async fn lease(&self) -> Result<Lease, LeaseError> {
        self.lease_within(Duration::from_secs(30)).await
    }

    pub(crate) async fn lease_within(&self, start_within: Duration) -> Result<Lease, LeaseError> {
        let request = LeaseRequest {
            template: selector(),
            start_within,
        };
        self.node.lease(request).await
    }

    pub(crate) async fn pool(&self) -> PoolInfo {
        let mut pools = self.node.pools().await;
        assert_eq!(pools.len(), 1);
        pools.remove(0)
    }

    /// Waits until the pool looks as it should.
    pub(crate) async fn pool_is(&self, is: impl Fn(&PoolInfo) -> bool) -> PoolInfo {
        let looking = async {
            loop {
                let pool = self.pool().await;
                if is(&pool) {
                    return pool;
                }
                tokio::time::timeout(Duration::from_millis(5), std::future::pending::<()>())
                    .await
                    .unwrap_err();
            }
        };
        match tokio::time::timeout(Duration::from_secs(30), looking).await {
            Ok(pool) => pool,
            Err(_) => panic!("the pool stays as {:?}", self.pool().await),
        }
    }

    pub(crate) async fn full(&self) -> PoolInfo {
        self.pool_is(|pool| pool.parked >= 2 && pool.shells == 2 && pool.starting == 0)
            .await
    }

    pub(crate) async fn run(&self, lease: &LeaseId, words: &[&str]) -> Result<Ran, ExecError> {
        self.run_request(lease, argv(words)).await
    }

    pub(crate) async fn run_request(
        &self,
        lease: &LeaseId,
        request: ExecRequest,
    ) -> Result<Ran, ExecError> {
        let mut handle = self.node.exec(lease, request).await?;
        let mut stdout = Vec::new();
        while let Some(event) = handle.output.recv().await {
            match event? {
                ExecEvent::Stdout(bytes) | ExecEvent::Stderr(bytes) => {
                    stdout.extend_from_slice(&bytes)
                }
                ExecEvent::Exit { exit, .. } => {
                    return Ok(Ran {
                        stdout: stdout.into(),
                        exit,
                    });
                }
            }
        }
        panic!("the output ended without an exit or an error")
    }
}

#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) stdout: Bytes,
    pub(crate) exit: Exit,
}

impl Ran {
    pub(crate) fn ok(&self) -> bool {
        self.exit.status == ExitStatus::Exited(0)
    }
}

pub(crate) fn selector() -> TemplateSelector {
    TemplateSelector::Image {
        image: FAKE_IMAGE.to_owned(),
        shape: Shape {
            vcpus: 1,
            memory_mib: 128,
        },
    }
}

pub(crate) fn argv(words: &[&str]) -> ExecRequest {
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
