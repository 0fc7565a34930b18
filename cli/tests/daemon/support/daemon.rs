//! `thaw serve` as a child of the test.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

use super::{prepared, text};

/// The program under test.
pub(crate) const THAW: &str = env!("CARGO_BIN_EXE_thaw");

/// A daemon on a storage root of its own; ended when dropped.
pub(crate) struct Daemon {
    process: Child,
    server: String,
    storage: TempDir,
    arguments: Vec<String>,
    docker_host: Option<String>,
}

impl Daemon {
    /// On an empty storage root: the first use of an image makes it.
    pub(crate) fn start() -> Self {
        Self::serve(tempfile::tempdir().unwrap(), &[], None)
    }

    /// On a storage root that has the image `python` and its template of 256 MiB, with more arguments
    /// for `thaw serve`.
    pub(crate) fn with_python(arguments: &[&str]) -> Self {
        Self::serve(prepared::storage(), arguments, None)
    }

    /// As [`with_python`](Self::with_python), with the storage root in this folder.
    pub(crate) fn with_python_in(folder: &Path) -> Self {
        Self::serve(prepared::storage_in(folder), &[], None)
    }

    /// On an empty storage root, beside a Docker daemon.
    pub(crate) fn beside(docker_host: String) -> Self {
        Self::serve(tempfile::tempdir().unwrap(), &[], Some(docker_host))
    }

    /// On a storage root that a test has filled.
    pub(crate) fn on(storage: TempDir) -> Self {
        Self::serve(storage, &[], None)
    }

    fn serve(storage: TempDir, arguments: &[&str], docker_host: Option<String>) -> Self {
        let arguments: Vec<_> = arguments.iter().map(|&word| word.to_owned()).collect();
        let (process, server) = serve(storage.path(), &arguments, docker_host.as_deref());
        Self {
            process,
            server,
            storage,
            arguments,
            docker_host,
        }
    }

    /// From its next start on it is given these arguments.
    pub(crate) fn use_arguments(&mut self, arguments: &[&str]) {
        self.arguments = arguments.iter().map(|&word| word.to_owned()).collect();
    }

    /// Starts it again as one that may not trace other processes, as in many containers.
    pub(crate) fn start_again_without_tracing(&mut self) {
        let mut command = Command::new("setpriv");
        command.args(["--bounding-set", "-sys_ptrace", THAW]);
        (self.process, self.server) = serve_by(command, self.storage.path(), &self.arguments);
    }

    /// Starts it again as on a host where the device of userfaultfd is not to be had.
    pub(crate) fn start_again_without_userfaultfd(&mut self) {
        let mut command = Command::new("unshare");
        let hidden = "mount --bind /dev/null /dev/userfaultfd && exec \"$@\"";
        command.args(["--mount", "sh", "-c", hidden, "sh", THAW]);
        (self.process, self.server) = serve_by(command, self.storage.path(), &self.arguments);
    }

    /// Its address.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// Its storage root.
    pub(crate) fn storage(&self) -> &Path {
        self.storage.path()
    }
    /// Runs a command of `thaw` against it.
    pub(crate) fn thaw(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// A command of `thaw` against it, to be started by the test.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(THAW);
        command.args(arguments).env("THAW_SERVER", &self.server);
        command
    }

    /// Runs a command that must succeed; returns what it printed.
    pub(crate) fn says(&self, arguments: &[&str]) -> String {
        let done = self.thaw(arguments);
        let (out, err) = (text(&done.stdout), text(&done.stderr));
        assert!(done.status.success(), "thaw {arguments:?}: {out}{err}");
        out
    }

    /// Sends a request as it is; returns the answer's status and body.
    pub(crate) fn http(
        &self,
        method: &str,
        path: &str,
        length: usize,
        body: &[u8],
    ) -> (u16, String) {
        let address = self.server.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        // HTTP/1.0: the answer ends with the connection, and is not cut into chunks.
        let head = format!(
            "{method} {path} HTTP/1.0\r\nhost: {address}\r\ncontent-length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = text(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }

    /// Ends the process with a signal and waits for its end.
    pub(crate) fn stop(&mut self, signal: Signal) {
        let pid = Pid::from_raw(self.process.id() as i32);
        kill(pid, signal).unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again on its storage root, at another port.
    pub(crate) fn start_again(&mut self) {
        let (storage, docker_host) = (self.storage.path(), self.docker_host.as_deref());
        (self.process, self.server) = serve(storage, &self.arguments, docker_host);
    }

    /// Ends the VMMs that outlive the daemon, as a test that failed left them, or one whose VMs take a key to remove.
    /// What they say on standard error goes to a file in the storage root.
    fn end_vmms(&self) {
        let root = self.storage().canonicalize().unwrap();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let is_ours = fs::read_link(entry.path().join("fd/2"))
                .is_ok_and(|said| said.starts_with(root.join("run/vmm")));
            let pid = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok());
            if let (true, Some(pid)) = (is_ours, pid) {
                // It may be ending by itself.
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
    }

    /// VMMs of this daemon's storage root: their sockets lie in its run folder.
    pub(crate) fn vmms(&self) -> usize {
        let run = self.storage.path().join("run/vmm");
        fs::read_dir(run).map_or(0, Iterator::count)
    }

    /// The VMM processes that it has started, with the memory that each has resident, in KiB.
    pub(crate) fn vmm_processes(&self) -> Vec<(u32, u64)> {
        let parent = format!("PPid:\t{}", self.process.id());
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok())
            else {
                continue;
            };
            let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
            let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            if let (true, Some(kib)) = (status.lines().any(|line| line == parent), resident) {
                let kib = kib.trim().trim_end_matches(" kB").parse().unwrap();
                found.push((pid, kib));
            }
        }
        found
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Ok(None) = self.process.try_wait() {
            self.stop(Signal::SIGTERM);
        }
        self.end_vmms();
    }
}

/// Starts a daemon and waits until it says where it listens.
pub(super) fn serve(
    storage: &Path,
    arguments: &[String],
    docker_host: Option<&str>,
) -> (Child, String) {
    let mut command = Command::new(THAW);
    if let Some(host) = docker_host {
        command.env("DOCKER_HOST", host);
    }
    serve_by(command, storage, arguments)
}

fn serve_by(mut thaw: Command, storage: &Path, arguments: &[String]) -> (Child, String) {
    thaw.args(["serve", "--accel", "tcg"]);
    if !arguments.iter().any(|word| word == "--listen") {
        thaw.args(["--listen", "127.0.0.1:0"]);
    }
    let mut process = thaw
        .arg("--storage")
        .arg(storage)
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(process.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    // What it prints later must find a reader.
    thread::spawn(move || output.read_to_end(&mut Vec::new()));
    let server = line
        .trim()
        .strip_prefix("Thaw listens on ")
        .expect("the daemon says where it listens")
        .to_owned();
    (process, server)
}
