//! Somebody who uses a daemon's commands, from a home of their own.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

use super::{Daemon, text};

pub(crate) const PASSWORD: &str = "correct horse battery";

/// A user of a daemon with a home of their own.
pub(crate) struct User<'a> {
    pub(crate) daemon: &'a Daemon,
    home: TempDir,
}

impl<'a> User<'a> {
    pub(crate) fn of(daemon: &'a Daemon) -> Self {
        Self {
            daemon,
            home: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// Turns authentication on; this user is its administrator from then on.
    pub(crate) fn turns_it_on(&self) {
        ok(&self.given(
            PASSWORD,
            &["auth", "init", "--password-stdin", "--save-key"],
        ));
    }

    /// Makes a key for somebody else.
    pub(crate) fn key_for(&self, name: &str, scope: &str) -> String {
        ok(&self.runs(&["key", "create", name, "--scope", scope]))
            .trim()
            .to_owned()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.daemon.command(arguments);
        command
            .env("XDG_CONFIG_HOME", self.home.path())
            .env("THAW_STORAGE", self.daemon.storage())
            .env_remove("THAW_API_KEY");
        command
    }

    pub(crate) fn runs(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub(crate) fn with_key(&self, key: &str, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        command.env("THAW_API_KEY", key).output().unwrap()
    }

    /// Runs a command that reads a password from standard input.
    pub(crate) fn given(&self, password: &str, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut running = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = running.stdin.take().unwrap();
        writeln!(stdin, "{password}").unwrap();
        drop(stdin);
        running.wait_with_output().unwrap()
    }
}

/// What a command printed that must have succeeded.
pub(crate) fn ok(done: &Output) -> String {
    let (out, err) = (text(&done.stdout), text(&done.stderr));
    assert!(done.status.success(), "{out}{err}");
    out
}

/// A command that must have failed, saying this.
pub(crate) fn fails(done: &Output, with: &str) {
    let err = text(&done.stderr);
    assert_eq!(done.status.code(), Some(125), "{err}");
    assert!(err.contains(with), "{err}");
}
