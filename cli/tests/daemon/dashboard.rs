//! The dashboard in a real browser, against a daemon with real VMs. What it does there is said by web/e2e.

use std::{path::Path, process::Command};

use super::support::{Daemon, PASSWORD, User, ok};

/// Runs the browser's side; everything in it must succeed.
fn browse(daemon: &Daemon, password: Option<&str>) {
    let (status, _) = daemon.http("GET", "/dashboard/", 0, b"");
    assert_eq!(
        status, 200,
        "a build without the dashboard; `make web` builds it"
    );
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web");
    let results = tempfile::tempdir().unwrap();
    let mut browser = Command::new("npm");
    browser
        .args(["run", "--silent", "e2e", "--", "--output"])
        .arg(results.path())
        .current_dir(web)
        .env("THAW_URL", daemon.server());
    match password {
        Some(password) => browser.env("THAW_PASSWORD", password),
        None => browser.env_remove("THAW_PASSWORD"),
    };
    ok(&browser.output().unwrap());
}

#[test]
fn everything_can_be_done_with_a_browser() {
    let daemon = Daemon::with_python(&[]);
    browse(&daemon, None);
}

#[test]
fn a_browser_logs_in() {
    let daemon = Daemon::with_python(&[]);
    User::of(&daemon).turns_it_on();
    browse(&daemon, Some(PASSWORD));
}
