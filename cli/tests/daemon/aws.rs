//! AWS's own client, unmodified, against the daemon.

use std::{fs, path::Path, process::Command};

use crate::support::{Daemon, text};

/// A python with boto3, which `make setup-test` makes.
const PYTHON: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../target/test-venv/bin/python3"
);
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/daemon/aws.py");

#[test]
fn unmodified_boto3_invokes_functions() {
    assert!(
        Path::new(PYTHON).exists(),
        "{PYTHON} is missing; run `make setup-test`"
    );
    let daemon = Daemon::with_python(&[]);
    let folder = tempfile::tempdir().unwrap();
    let source = "def handle(event, context):\n\
        \x20   print('doubling', event['n'])\n\
        \x20   return {'doubled': event['n'] + event['n'] * 1 if event['n'] != 'x' else event['n'] - 1}\n";
    fs::write(folder.path().join("app.py"), source).unwrap();
    let code = folder.path().to_str().unwrap();
    daemon.says(&[
        "fn",
        "deploy",
        "double",
        "--image",
        "python",
        "--handler",
        "app.handle",
        "--code",
        code,
    ]);
    daemon.says(&["fn", "alias", "set", "double", "live", "1"]);
    let done = Command::new(PYTHON)
        .args([SCRIPT, daemon.server(), "double", "thaw_anything"])
        .output()
        .unwrap();
    let (out, err) = (text(&done.stdout), text(&done.stderr));
    assert_eq!(out, "all as AWS has it\n", "{err}");
    daemon.says(&["fn", "rm", "double"]);
}
