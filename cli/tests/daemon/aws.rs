//! AWS's own clients, unmodified, against the daemon.

use std::{fs, path::Path, process::Command};

use crate::support::{
    Daemon, User,
    function::{code, deploy},
    ok, text,
};

/// A python with boto3, which `make setup-test` makes.
const PYTHON: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../target/test-venv/bin/python3"
);
/// The AWS CLI, which `make setup-test` installs too.
const CLI: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/test-venv/bin/aws");
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/daemon");

/// Runs one of the scripts; returns what it printed, and what it complained about.
fn script(name: &str, daemon: &Daemon, words: &[&str]) -> (String, String) {
    assert!(
        Path::new(PYTHON).exists(),
        "{PYTHON} is missing; run `make setup-test`"
    );
    let mut python = Command::new(PYTHON);
    python.arg(format!("{SCRIPTS}/{name}")).arg(daemon.server());
    let done = python.args(words).output().unwrap();
    (text(&done.stdout), text(&done.stderr))
}

const DOUBLE: &str = "def handle(event, context):\n\
    \x20   print('doubling', event['n'])\n\
    \x20   return {'doubled': event['n'] + event['n'] * 1 if event['n'] != 'x' else event['n'] - 1}\n";

#[test]
fn unmodified_boto3_and_aws_cli_invoke_functions() {
    let daemon = Daemon::with_python(&[]);
    let folder = code("app.py", DOUBLE);
    let more = ["--handler", "app.handle"];
    let done = deploy(&daemon, "double", folder.path(), &more);
    assert!(done.status.success(), "{}", text(&done.stderr));
    daemon.says(&["fn", "alias", "set", "double", "live", "1"]);
    let (out, err) = script("aws.py", &daemon, &["double", "thaw_anything"]);
    assert_eq!(out, "all as AWS has it\n", "{err}");
    the_cli_invokes(&daemon, folder.path());
    an_answer_comes_in_pieces(&daemon);
    daemon.says(&["fn", "rm", "double"]);
    with_authentication_the_access_key_decides(&daemon);
}

fn an_answer_comes_in_pieces(daemon: &Daemon) {
    let source = "import os\n\
        def handle(event, context):\n\
        \x20   print('streaming', event)\n\
        \x20   if event == 'raise': raise KeyError('what')\n\
        \x20   if event == 'exit': os._exit(3)\n\
        \x20   yield 'first'\n\
        \x20   while event == 'endless': pass\n\
        \x20   if event == 'late': raise KeyError('what')\n\
        \x20   if event == 'large': yield bytes(range(256)) * 4096\n\
        \x20   yield b'\\x00\\xff'\n";
    let folder = code("app.py", source);
    let more = ["--handler", "app.handle"];
    let done = deploy(daemon, "pieces", folder.path(), &more);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let (out, err) = script("aws_stream.py", daemon, &["pieces", "thaw_anything"]);
    assert_eq!(out, "piece by piece\n", "{err}");
    daemon.says(&["fn", "rm", "pieces"]);
}

fn with_authentication_the_access_key_decides(daemon: &Daemon) {
    let folder = code("app.py", DOUBLE);
    let more = ["--handler", "app.handle"];
    let done = deploy(daemon, "guarded", folder.path(), &more);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let user = User::of(daemon);
    let init = ["auth", "init", "--password-stdin", "--save-key"];
    ok(&user.given("correct horse battery", &init));
    let key = |scope| {
        let made = user.runs(&["key", "create", scope, "--scope", scope]);
        ok(&made).trim().to_owned()
    };
    let (invoking, reading) = (key("invoke"), key("read"));
    let (out, err) = script("aws_keys.py", daemon, &["guarded", &invoking, &reading]);
    assert_eq!(out, "who may does, nobody else\n", "{err}");
    ok(&user.runs(&["fn", "rm", "guarded"]));
    ok(&user.runs(&["auth", "disable"]));
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
