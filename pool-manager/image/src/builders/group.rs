//! One builder and everything that it started: one process group, which ends with its owner.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdin};

use crate::builders::{BuilderError, Tail, tools::installed};

/// Longest line read as one; a longer one is taken in parts, so a program cannot fill memory.
const MAX_LINE_BYTES: u64 = 8 * 1024;

/// A program, its arguments and what it is given.
pub(crate) struct Program {
    pub(crate) tool: &'static str,
    /// Debian's package that has it.
    pub(crate) package: &'static str,
    pub(crate) arguments: Vec<OsString>,
    /// Environment besides `PATH` and `LC_ALL`, which are all that it inherits.
    pub(crate) environment: Vec<(&'static str, OsString)>,
    pub(crate) stdin: Stdio,
    pub(crate) stdout: Stdio,
    /// Where it writes: looked at when it fails, to tell a full disk.
    pub(crate) folder: PathBuf,
    /// Whether it mounts: then its mounts and processes are its own, and are gone when it is, or we are, however
    /// that came about. Takes root.
    pub(crate) mounts: bool,
}

/// Ends with whoever started it, and starts what follows with namespaces of its own (setpriv(1) and unshare(1)
/// of util-linux, which every Debian has).
const CONTAINED: [&str; 10] = [
    "setpriv",
    "--pdeathsig",
    "KILL",
    "--",
    "unshare",
    "--mount",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
];

/// A running builder. Its end kills the whole process group.
pub(crate) struct Group {
    tool: &'static str,
    folder: PathBuf,
    child: Child,
    group: Option<Pid>,
}

impl Group {
    /// Starts `program` in a group of its own.
    #[expect(
        clippy::disallowed_methods,
        reason = "this module owns the builders' processes"
    )]
    pub(crate) fn start(program: Program) -> Result<Self, BuilderError> {
        let tool = program.tool;
        let path =
            std::env::var_os("PATH").unwrap_or_else(|| "/usr/sbin:/usr/bin:/sbin:/bin".into());
        let not_installed = || BuilderError::NotInstalled {
            tool,
            package: program.package,
        };
        let mut line: Vec<OsString> = Vec::new();
        if program.mounts {
            if !installed(tool) {
                return Err(not_installed());
            }
            line.extend(CONTAINED.map(OsString::from));
        }
        line.push(tool.into());
        line.extend(program.arguments);
        let mut line = line.into_iter();
        let mut command = tokio::process::Command::new(line.next().unwrap_or_default());
        command
            .args(line)
            .env_clear()
            .env("PATH", path)
            .env("LC_ALL", "C.UTF-8")
            .envs(program.environment)
            .stdin(program.stdin)
            .stdout(program.stdout)
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let child = command.spawn().map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => not_installed(),
            _ => BuilderError::Start { tool, source },
        })?;
        let group = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .map(Pid::from_raw);
        Ok(Self {
            tool,
            folder: program.folder,
            child,
            group,
        })
    }

    /// Its standard input, where it was piped. Closing it ends the input.
    pub(crate) fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// Reads what it says until it ends. `on_line` hears each line as it comes.
    ///
    /// # Cancel safety
    /// Dropping the future kills the group.
    pub(crate) async fn finish(mut self, on_line: impl FnMut(&str)) -> Result<(), BuilderError> {
        let mut tail = Tail::default();
        let listened = match self.child.stderr.take() {
            Some(stderr) => listen(stderr, &mut tail, on_line).await,
            None => Ok(()),
        };
        let tool = self.tool;
        let waited = self.child.wait().await;
        self.group = None;
        listened.map_err(|source| BuilderError::Feed { tool, source })?;
        let status = waited.map_err(|source| BuilderError::Feed { tool, source })?;
        if status.success() {
            return Ok(());
        }
        Err(failure(tool, status, tail.text(), &self.folder))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            // Fails only when it has ended by itself.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

async fn listen(
    stderr: impl AsyncRead + Unpin,
    tail: &mut Tail,
    mut on_line: impl FnMut(&str),
) -> io::Result<()> {
    let mut reader = BufReader::new(stderr);
    let mut line = Vec::new();
    loop {
        line.clear();
        let n = (&mut reader)
            .take(MAX_LINE_BYTES)
            .read_until(b'\n', &mut line)
            .await?;
        if n == 0 {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim();
        if !text.is_empty() {
            on_line(&tail.push(text));
        }
    }
}

fn failure(tool: &'static str, status: ExitStatus, output: String, folder: &Path) -> BuilderError {
    // Programs do not say in their status that a disk is full; the disk does.
    let full = nix::sys::statvfs::statvfs(folder).is_ok_and(|stat| {
        let free = stat.blocks_available().saturating_mul(stat.fragment_size());
        free < 1 << 20 || stat.files_available() == 0 && stat.files() > 0
    });
    match full {
        true => BuilderError::DiskFull {
            tool,
            status,
            output,
        },
        false => BuilderError::Failed {
            tool,
            status,
            output,
        },
    }
}
