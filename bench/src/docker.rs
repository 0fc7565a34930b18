//! Docker on the same machine, as its users start it: the `docker` command.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};

/// Runs a command in a fresh container that has no network; returns how long it took.
pub(crate) fn run_fresh(image: &str, argv: &[&str]) -> Result<Duration> {
    let mut words = vec!["run", "--rm", "--network", "none", image];
    words.extend(argv);
    timed(&words)
}

/// A container that stays; removed when dropped.
#[derive(Debug)]
pub(crate) struct Container(String);

impl Container {
    /// Starts one that does nothing.
    pub(crate) fn start(image: &str) -> Result<Self> {
        let output = docker()
            .args(["run", "-d", "--network", "none", image, "sleep", "3600"])
            .output()
            .context("running docker")?;
        ensure!(output.status.success(), "docker run -d failed");
        Ok(Self(String::from_utf8(output.stdout)?.trim().to_owned()))
    }

    /// Runs a command in it.
    pub(crate) fn exec(&self, argv: &[&str]) -> Result<Duration> {
        let mut words = vec!["exec", self.0.as_str()];
        words.extend(argv);
        timed(&words)
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // A container that can't be removed is the Docker daemon's to keep; the run is over anyway.
        let _ = docker()
            .args(["rm", "-f", &self.0])
            .stdout(Stdio::null())
            .status();
    }
}

fn timed(words: &[&str]) -> Result<Duration> {
    let begin = Instant::now();
    let output = docker().args(words).output().context("running docker")?;
    let took = begin.elapsed();
    ensure!(
        output.status.success(),
        "docker {} failed: {}",
        words.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(took)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the bench starts what it compares with, and waits for it"
)]
fn docker() -> Command {
    let mut command = Command::new("docker");
    command.stdin(Stdio::null());
    command
}
