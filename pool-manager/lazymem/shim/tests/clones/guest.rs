//! A process with the shim that stands in for a VMM.

use std::{
    ffi::OsString,
    fs::Permissions,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::{
        fd::OwnedFd,
        unix::{fs::PermissionsExt as _, net::UnixStream, process::CommandExt as _},
    },
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use command_fds::{CommandFdExt as _, FdMapping};
use thaw_lazymem::{Arrival, PlainSource, ShimSetup, TemplateMemory};

/// Where the guest finds its memory; the other descriptors follow.
pub(crate) const FIRST_FD: i32 = 10;
/// For everything that must happen at all.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// The program and the shim, readable by every user.
pub(crate) struct Program {
    folder: tempfile::TempDir,
}

impl Program {
    #[expect(
        clippy::disallowed_methods,
        reason = "this function owns the compiler's process"
    )]
    pub(crate) fn build() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clones/guest.c");
        let status = Command::new("cc")
            .args(["-O1", "-Wall", "-Werror", "-pthread", "-o"])
            .arg(folder.path().join("guest"))
            .arg(source)
            .status()
            .unwrap();
        assert!(status.success());
        std::fs::copy(built_shim(), folder.path().join("shim.so")).unwrap();
        let program = Self { folder };
        std::fs::set_permissions(program.shim(), Permissions::from_mode(0o555)).unwrap();
        program
    }

    pub(crate) fn shim(&self) -> PathBuf {
        self.folder.path().join("shim.so")
    }

    pub(crate) fn guest(&self) -> PathBuf {
        self.folder.path().join("guest")
    }

    pub(crate) fn lazy(&self, template: &TemplateMemory) -> (Guest, Arrival) {
        let (setup, socket) = ShimSetup::lazy(&self.shim(), template, FIRST_FD).unwrap();
        let guest = self.start(setup, template.len_bytes());
        let arrival = receive(&socket);
        (guest, arrival)
    }

    pub(crate) fn whole(&self, template: &TemplateMemory) -> Guest {
        let setup = ShimSetup::whole(&self.shim(), template, FIRST_FD).unwrap();
        self.start(setup, template.len_bytes())
    }

    pub(crate) fn file(&self, source: &Arc<PlainSource>) -> Guest {
        let setup = ShimSetup::file(&self.shim(), source, FIRST_FD).unwrap();
        self.start(setup, thaw_lazymem::PageSource::len_bytes(source.as_ref()))
    }

    /// Runs as nobody, without privileges, two threads.
    pub(crate) fn start(&self, setup: ShimSetup, len_bytes: u64) -> Guest {
        let mut command = command(&self.guest(), setup);
        command
            .args([FIRST_FD.to_string(), len_bytes.to_string(), "2".to_owned()])
            .uid(65534)
            .gid(65534)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        Guest {
            stdin: child.stdin.take(),
            stdout: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }
}

/// The shim as it was built with these tests.
pub(crate) fn built_shim() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let profile = tests.parent().and_then(Path::parent).unwrap();
    profile.join("examples/libshim_under_test.so")
}

pub(crate) fn command(program: &Path, setup: ShimSetup) -> Command {
    let environment = setup.environment().to_vec();
    raw_command(program, &environment, setup.into_descriptors())
}

#[expect(
    clippy::disallowed_methods,
    reason = "this function makes what stands in for a VMM; who starts it owns it"
)]
pub(crate) fn raw_command(
    program: &Path,
    environment: &[(&'static str, OsString)],
    descriptors: Vec<(i32, OwnedFd)>,
) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .envs(environment.iter().cloned())
        .stderr(Stdio::piped());
    let mappings = descriptors
        .into_iter()
        .map(|(child_fd, parent_fd)| FdMapping {
            parent_fd,
            child_fd,
        })
        .collect();
    command.fd_mappings(mappings).unwrap();
    command
}

pub(crate) fn receive(socket: &UnixStream) -> Arrival {
    Arrival::receive(socket, SOON).unwrap()
}

/// The process; killed and waited for when it is dropped.
pub(crate) struct Guest {
    pub(crate) child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Guest {
    /// Waits until the memory is mapped; what the guest sees of the shim's environment.
    pub(crate) fn mapped(&mut self) {
        assert_eq!(self.line(), "mapped alone");
    }

    pub(crate) fn say(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    pub(crate) fn ask(&mut self, line: &str) -> String {
        self.say(line);
        self.line()
    }

    pub(crate) fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Kills it and waits for the end.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Lets it end, and gives its exit code and its words on stderr.
    pub(crate) fn end(mut self) -> (i32, String) {
        drop(self.stdin.take());
        let code = self.child.wait().unwrap().code().unwrap();
        let mut words = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut words).unwrap();
        (code, words)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // Both fail when it has ended, which is what is wanted.
        let _ended = self.child.kill().is_err();
        let _waited = self.child.wait().is_err();
    }
}
