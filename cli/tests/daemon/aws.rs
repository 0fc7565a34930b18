//! AWS's own clients, unmodified, against the daemon.

use std::{fs, path::Path, process::Command};

use crate::support::{Daemon, text};

/// A python with boto3, which `make setup-test` makes.
const PYTHON: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../target/test-venv/bin/python3"
);
/// The AWS CLI, which `make setup-test` installs too.
const CLI: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/test-venv/bin/aws");
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/daemon/aws.py");

#[test]
fn unmodified_boto3_and_aws_cli_invoke_functions() {
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
    the_cli_invokes(&daemon, folder.path());
    daemon.says(&["fn", "rm", "double"]);
}

fn the_cli_invokes(daemon: &Daemon, folder: &Path) {
    let out = folder.join("out.json");
    let invoke = |more: &[&str]| {
        let mut aws = Command::new(PYTHON);
        aws.args([CLI, "lambda", "invoke", "--endpoint-url", daemon.server()]);
        aws.args(["--region", "eu-west-1", "--function-name", "double"]);
        aws.args(more).arg(&out);
        aws.env("AWS_ACCESS_KEY_ID", "thaw_anything");
        aws.env("AWS_SECRET_ACCESS_KEY", "any");
        aws.output().unwrap()
    };
    let done = invoke(&["--qualifier", "live", "--payload", r#"{"n": 21}"#]);
    let (told, err) = (text(&done.stdout), text(&done.stderr));
    assert!(done.status.success(), "{err}");
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["StatusCode"], 200);
    assert_eq!(told["ExecutedVersion"], "1");
    assert_eq!(fs::read_to_string(&out).unwrap(), r#"{"doubled": 42}"#);
    let queued = invoke(&["--invocation-type", "Event", "--payload", r#"{"n": 1}"#]);
    assert!(text(&queued.stdout).contains("202"), "{queued:?}");
    let refused = invoke(&["--qualifier", "nowhere", "--payload", "{}"]);
    assert!(!refused.status.success());
    let err = text(&refused.stderr);
    assert!(err.contains("ResourceNotFoundException"), "{err}");
}
