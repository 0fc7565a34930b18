//! A real Docker daemon of the test's own, without network.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::process::Server;

/// Runs until it is dropped.
pub struct Dockerd {
    // Stopped first: its folder can go only when its mounts are gone.
    server: Option<Server>,
    folder: TempDir,
}

impl Dockerd {
    pub async fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("thaw-dockerd-").tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let socket = at("docker.sock");
        let arguments: Vec<String> = [
            "--iptables=false".to_owned(),
            "--ip6tables=false".to_owned(),
            "--bridge=none".to_owned(),
            "--storage-driver=vfs".to_owned(),
            format!("--data-root={}", at("data")),
            format!("--exec-root={}", at("exec")),
            format!("--pidfile={}", at("pid")),
            format!("--host=unix://{socket}"),
        ]
        .into();
        let log = folder.path().join("log");
        let mut server = Server::start("dockerd", &arguments, &log);
        let deadline = Instant::now() + Duration::from_secs(60);
        let client = loop {
            let log = || std::fs::read_to_string(&log).unwrap_or_default();
            assert!(!server.has_ended() && Instant::now() < deadline, "no dockerd: {}", log());
            if let Ok(client) = bollard::Docker::connect_with_host(&format!("unix://{socket}"))
                && client.ping().await.is_ok()
            {
                break client;
            }
            tokio::task::yield_now().await;
        };
        drop(client);
        Self {
            server: Some(server),
            folder,
        }
    }

    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    pub fn client(&self) -> bollard::Docker {
        bollard::Docker::connect_with_host(&self.host()).unwrap()
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        self.server = None;
        let prefix = self.folder.path().to_str().unwrap().to_owned();
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let mut own: Vec<&str> = mounts.lines().filter_map(|line| line.split(' ').nth(1)).collect();
        own.retain(|path| path.starts_with(&prefix));
        for path in own.iter().rev() {
            let _ = nix::mount::umount2(*path, nix::mount::MntFlags::MNT_DETACH);
        }
    }
}
