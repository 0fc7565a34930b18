//! A real Docker daemon of the test's own, without network.

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

use bollard::query_parameters::{ImportImageOptionsBuilder, ListImagesOptions};
use futures::StreamExt;
use tempfile::TempDir;

use crate::support::process::Server;

/// How long the daemon may take until it says that it is ready.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Runs until it is dropped.
pub(crate) struct Dockerd {
    // Stopped first: its folder can go only when its mounts are gone.
    server: Option<Server>,
    folder: TempDir,
}

impl Dockerd {
    /// Starts a daemon and waits for its word (sd_notify(3)) that it serves.
    pub(crate) fn start() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("thaw-dockerd-")
            .tempdir()
            .unwrap();
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let arguments = [
            "--iptables=false".to_owned(),
            "--ip6tables=false".to_owned(),
            "--bridge=none".to_owned(),
            "--storage-driver=vfs".to_owned(),
            format!("--data-root={}", at("data")),
            format!("--exec-root={}", at("exec")),
            format!("--pidfile={}", at("pid")),
            format!("--host=unix://{}", at("docker.sock")),
        ];
        let notify = folder.path().join("notify.sock");
        let ready = UnixDatagram::bind(&notify).unwrap();
        ready.set_read_timeout(Some(START_TIMEOUT)).unwrap();
        let server = Server::start("dockerd", &arguments, &[("NOTIFY_SOCKET", &notify)]);
        let mut said = [0; 256];
        let n = ready.recv(&mut said);
        let n = n.unwrap_or_else(|e| panic!("no dockerd ({e}): {}", server.log()));
        assert_eq!(&said[..n], b"READY=1", "{}", server.log());
        Self {
            server: Some(server),
            folder,
        }
    }

    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    pub(crate) fn client(&self) -> bollard::Docker {
        bollard::Docker::connect_with_host(&self.host()).unwrap()
    }

    /// Loads what `docker save` wrote.
    pub(crate) async fn load(&self, archive: Vec<u8>) {
        let client = self.client();
        let body = bollard::body_full(archive.into());
        let options = ImportImageOptionsBuilder::default().build();
        let mut events = client.import_image(options, body, None);
        while let Some(event) = events.next().await {
            event.unwrap();
        }
    }

    /// The names of its images.
    pub(crate) async fn names(&self) -> Vec<String> {
        let images = self.client().list_images(None::<ListImagesOptions>).await;
        let images = images.unwrap().into_iter();
        images.flat_map(|image| image.repo_tags).collect()
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
        let mut own: Vec<&str> = mounts
            .lines()
            .filter_map(|line| line.split(' ').nth(1))
            .collect();
        own.retain(|path| path.starts_with(&prefix));
        for path in own.iter().rev() {
            let _ = nix::mount::umount2(*path, nix::mount::MntFlags::MNT_DETACH);
        }
    }
}
