//! Programs that tests run: the only place here that starts any.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long a server may take until it serves, on a machine that does other things as well.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Runs a program to its end, which must be a good one, and returns what it wrote.
#[expect(
    clippy::disallowed_methods,
    reason = "this module owns the tests' processes"
)]
pub(crate) fn run(program: &str, arguments: &[&OsStr]) -> Vec<u8> {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|e| panic!("{program}: {e}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    output.stdout
}

/// A server that is stopped when the test is over.
pub(crate) struct Server {
    child: Child,
    lines: Receiver<String>,
}

impl Server {
    /// Starts it. Its standard error is read to the end, so that it never waits for a reader.
    #[expect(
        clippy::disallowed_methods,
        reason = "this module owns the tests' processes"
    )]
    pub(crate) fn start(
        program: &str,
        arguments: &[String],
        environment: &[(&str, &Path)],
    ) -> Self {
        let child = Command::new(program)
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.unwrap_or_else(|e| panic!("{program}: {e}"));
        let log = BufReader::new(child.stderr.take().unwrap());
        // Lines that nobody waits for any more are dropped.
        let (sender, lines) = sync_channel(1024);
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                let _ = sender.try_send(line);
            }
        });
        Self { child, lines }
    }

    /// Waits for a line of its log that has `mark` in it, and returns what follows there.
    pub(crate) fn wait_for(&self, mark: &str) -> String {
        let mut seen = String::new();
        loop {
            let line = self.lines.recv_timeout(START_TIMEOUT);
            let line = line.unwrap_or_else(|e| panic!("no {mark:?} in the log ({e}):\n{seen}"));
            if let Some((_, rest)) = line.split_once(mark) {
                return rest.to_owned();
            }
            seen += &line;
            seen.push('\n');
        }
    }

    /// All that it has logged and nobody has read.
    pub(crate) fn log(&self) -> String {
        self.lines.try_iter().map(|line| line + "\n").collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        let _ = kill(pid, Signal::SIGTERM);
        let _ = self.child.wait();
    }
}
