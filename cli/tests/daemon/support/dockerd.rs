//! A real Docker daemon of a test's own, without network.

use std::{
    fs,
    os::unix::net::UnixDatagram,
    process::{Child, Command, Stdio},
    time::Duration,
};

use nix::{
    mount::{MntFlags, umount2},
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

use super::text;

/// How long the daemon may take until it says that it is ready.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// Runs until it is dropped.
pub(crate) struct Dockerd {
    process: Child,
    folder: TempDir,
}

impl Dockerd {
    /// Starts one and waits for its word (sd_notify(3)) that it serves.
    pub(crate) fn start() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("thaw-dockerd-")
            .tempdir()
            .unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let ready = UnixDatagram::bind(at("notify.sock")).unwrap();
        ready.set_read_timeout(Some(START_TIMEOUT)).unwrap();
        let process = Command::new("dockerd")
            .args(["--iptables=false", "--ip6tables=false", "--bridge=none"])
            .arg("--storage-driver=vfs")
            .arg(format!("--data-root={}", at("data")))
            .arg(format!("--exec-root={}", at("exec")))
            .arg(format!("--pidfile={}", at("pid")))
            .arg(format!("--host=unix://{}", at("docker.sock")))
            .env("NOTIFY_SOCKET", at("notify.sock"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(at("log")).unwrap())
            .spawn()
            .unwrap();
        let dockerd = Self { process, folder };
        let mut said = [0; 256];
        let length = ready.recv(&mut said).unwrap_or_else(|error| {
            let log = fs::read_to_string(at_log(&dockerd)).unwrap_or_default();
            panic!("no dockerd ({error}): {log}")
        });
        assert_eq!(&said[..length], b"READY=1");
        dockerd
    }

    /// What `DOCKER_HOST` is set to.
    pub(crate) fn host(&self) -> String {
        let socket = self.folder.path().join("docker.sock");
        format!("unix://{}", socket.display())
    }

    /// Makes an image out of a tar of its root file system.
    pub(crate) fn import(&self, root: &[u8], name: &str) {
        let file = self.folder.path().join("root.tar");
        fs::write(&file, root).unwrap();
        let done = Command::new("docker")
            .args(["--host", &self.host(), "import"])
            .arg(file)
            .arg(name)
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", text(&done.stderr));
    }
}

fn at_log(dockerd: &Dockerd) -> std::path::PathBuf {
    dockerd.folder.path().join("log")
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.process.id() as i32), Signal::SIGTERM);
        let _ = self.process.wait();
        // Its folder can go only when its mounts are gone.
        let prefix = self.folder.path().display().to_string();
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let own = mounts.lines().rev();
        let own = own.filter_map(|line| line.split(' ').nth(1));
        for path in own.filter(|path| path.starts_with(&prefix)) {
            let _ = umount2(path, MntFlags::MNT_DETACH);
        }
    }
}
