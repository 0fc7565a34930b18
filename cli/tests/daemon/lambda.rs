//! Functions of kind lambda with real VMs: AWS's own runtime client, unmodified, and an image that speaks the
//! Runtime API itself.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Daemon, docker_archive, text};

/// AWS's runtime client for the guest's python, which `make setup-test` installs.
const CLIENT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../target/test-clients/awslambdaric"
);
const EXAMPLE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../docs/examples/functions/lambda/app.py"
);
/// A python with boto3.
const PYTHON: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../target/test-venv/bin/python3"
);

/// A folder with the runtime client and a handler.
fn with_client(source: &str) -> TempDir {
    assert!(
        Path::new(CLIENT).is_dir(),
        "{CLIENT} is missing; run `make setup-test`"
    );
    let folder = tempfile::tempdir().unwrap();
    let copied = Command::new("cp")
        .args(["-r", &format!("{CLIENT}/.")])
        .arg(folder.path())
        .status();
    assert!(copied.unwrap().success());
    fs::write(folder.path().join("app.py"), source).unwrap();
    folder
}

fn deploy(daemon: &Daemon, name: &str, folder: &Path, more: &[&str]) -> Output {
    let folder = folder.to_str().unwrap();
    let mut words = vec![
        "fn", "deploy", name, "--image", "python", "--kind", "lambda",
    ];
    words.extend(["--code", folder]);
    words.extend(more);
    words.extend(["--", "python3", "-m", "awslambdaric", "app.handle"]);
    daemon.thaw(&words)
}

fn deployed(daemon: &Daemon, name: &str, source: &str, more: &[&str]) {
    let folder = with_client(source);
    let done = deploy(daemon, name, folder.path(), more);
    assert!(done.status.success(), "{}", text(&done.stderr));
}

fn invoke(daemon: &Daemon, name: &str, event: &str) -> Value {
    let done = daemon.thaw(&["fn", "invoke", name, "--data", event]);
    let out = text(&done.stdout);
    serde_json::from_str(&out)
        .unwrap_or_else(|error| panic!("{error}: {out}{}", text(&done.stderr)))
}

#[test]
fn unmodified_awslambdaric_serves_events() {
    let daemon = Daemon::with_python(&[]);
    the_example_answers_and_each_event_has_a_fresh_clone(&daemon);
    hooks_run_before_the_freeze_and_after_each_restore(&daemon);
    what_goes_wrong_is_told_as_with_every_kind(&daemon);
    a_deploy_that_fails_says_what_the_runtime_said(&daemon);
    reuse_keeps_a_clone_until_there_is_doubt(&daemon);
    boto3_tells_its_client_context(&daemon);
}

fn the_example_answers_and_each_event_has_a_fresh_clone(daemon: &Daemon) {
    let source = fs::read_to_string(EXAMPLE).unwrap();
    deployed(daemon, "hello", &source, &["--env", "GREETING=Hi"]);
    let words = [
        "fn",
        "invoke",
        "hello",
        "--data",
        r#"{"name": "Ada"}"#,
        "--log",
    ];
    let draw = || {
        let done = daemon.thaw(&words);
        assert_eq!(text(&done.stderr), "greeting \"Ada\"\n");
        let answer: Value = serde_json::from_slice(&done.stdout).unwrap();
        assert_eq!(
            (&answer["greeting"], &answer["square"]),
            (&json!("Hi, Ada!"), &json!(1764))
        );
        answer
    };
    let (first, second) = (draw(), draw());
    assert_ne!(first["draw"], second["draw"]);
    assert_ne!(first["request_id"], second["request_id"]);
    // An event without a body is an empty object.
    assert_eq!(invoke(daemon, "hello", "")["greeting"], "Hi, world!");
    let info: Value = serde_json::from_str(&daemon.says(&["fn", "inspect", "hello"])).unwrap();
    assert_eq!(info["newest"]["kind"], "lambda");
    assert_eq!(info["newest"]["command"][2], "awslambdaric");
    daemon.says(&["fn", "rm", "hello"]);
}

fn hooks_run_before_the_freeze_and_after_each_restore(daemon: &Daemon) {
    let source = "import os, ssl, time, uuid\n\
        from snapshot_restore_py import register_after_restore, register_before_snapshot\n\
        seen = [['import', uuid.uuid4().hex]]\n\
        ssl.RAND_bytes(8)\n\
        register_before_snapshot(lambda word: seen.append([word, uuid.uuid4().hex]), 'before')\n\
        register_after_restore(lambda word: seen.append([word, uuid.uuid4().hex]), 'after')\n\
        def handle(event, context):\n\
        \x20   left = context.get_remaining_time_in_millis()\n\
        \x20   return seen + [['drawn', ssl.RAND_bytes(8).hex()], left, time.time()]\n";
    deployed(daemon, "hooked", source, &["--timeout", "30"]);
    let (first, second) = (invoke(daemon, "hooked", "1"), invoke(daemon, "hooked", "2"));
    for (index, word) in ["import", "before", "after", "drawn"].iter().enumerate() {
        assert_eq!(first[index][0], *word, "{first}");
        // What came before the freeze is shared, what came after it is each clone's own.
        assert_eq!(
            first[index] == second[index],
            index < 2,
            "{word}: {first} {second}"
        );
    }
    let left = first[4].as_f64().unwrap();
    assert!(0.0 < left && left <= 30_000.0, "{left}");
    // The clock is right again before the hooks run.
    assert!(second[5].as_f64() > first[5].as_f64());
    daemon.says(&["fn", "rm", "hooked"]);
}

fn what_goes_wrong_is_told_as_with_every_kind(daemon: &Daemon) {
    let source = "import os\n\
        from snapshot_restore_py import register_after_restore\n\
        if os.environ.get('FAIL') == 'after':\n\
        \x20   register_after_restore(lambda: 1 // 0)\n\
        def handle(event, context):\n\
        \x20   print('begun', event)\n\
        \x20   if event == 'raise': raise KeyError('what')\n\
        \x20   if event == 'exit': os._exit(9)\n\
        \x20   if event == 'large': return 'x' * (7 << 20)\n\
        \x20   while event == 'loop': pass\n\
        \x20   return event\n";
    deployed(daemon, "bad", source, &["--timeout", "20"]);
    for (event, kind, message) in [
        ("raise", "KeyError", "'what'"),
        ("exit", "Runtime.ExitError", "exit status 9"),
        ("loop", "Sandbox.Timedout", "timed out after 20.00 seconds"),
        (
            "large",
            "Function.ResponseSizeTooLarge",
            "larger than is allowed",
        ),
    ] {
        let error = invoke(daemon, "bad", &format!("{event:?}"));
        assert_eq!(error["errorType"], kind, "{error}");
        let said = error["errorMessage"].as_str().unwrap();
        assert!(said.contains(message), "{error}");
    }
    let trace = &invoke(daemon, "bad", "\"raise\"")["stackTrace"];
    assert!(trace.to_string().contains("line 7, in handle"), "{trace}");
    deployed(daemon, "bad", source, &["--env", "FAIL=after"]);
    let error = invoke(daemon, "bad", "1");
    assert_eq!(error["errorType"], "ZeroDivisionError", "{error}");
    let log = daemon.says(&["fn", "logs", "bad", "-n", "1"]);
    let said = " ERROR after the restore: ZeroDivisionError: ";
    assert!(log.contains(said), "{log}");
    daemon.says(&["fn", "rm", "bad"]);
}

fn a_deploy_that_fails_says_what_the_runtime_said(daemon: &Daemon) {
    let hook = "from snapshot_restore_py import register_before_snapshot\n\
        def not_now(): raise RuntimeError('not now')\n\
        register_before_snapshot(not_now)\n\
        def handle(event, context): pass\n";
    for (source, said) in [
        ("def handle(:\n", "Runtime.UserCodeSyntaxError: "),
        ("import nothing_of_it\n", "No module named 'nothing_of_it'"),
        ("x = 1\n", "Handler 'handle' missing on module 'app'"),
        (hook, "RuntimeError: not now"),
        ("import os\nos._exit(4)\n", "exit code 4"),
    ] {
        let folder = with_client(source);
        let done = deploy(daemon, "failing", folder.path(), &[]);
        assert_eq!(done.status.code(), Some(125));
        assert!(text(&done.stderr).contains(said), "{}", text(&done.stderr));
    }
    let listed = daemon.says(&["fn", "ls", "--json"]);
    assert!(!listed.contains("failing"), "{listed}");
}

fn reuse_keeps_a_clone_until_there_is_doubt(daemon: &Daemon) {
    let source = "import os\ncalls = 0\n\
        def handle(event, context):\n\
        \x20   global calls; calls += 1\n\
        \x20   if event == 'exit': os._exit(1)\n\
        \x20   if event == 'raise': raise ValueError\n\
        \x20   return calls\n";
    deployed(
        daemon,
        "kept",
        source,
        &["--reuse", "4", "--concurrency", "1"],
    );
    let events = ["1", "\"raise\"", "1", "1", "1", "\"exit\"", "1"];
    let answers = events.map(|event| invoke(daemon, "kept", event));
    let numbers: Vec<_> = answers.iter().filter_map(Value::as_u64).collect();
    assert_eq!(numbers, [1, 3, 4, 1, 1], "{answers:?}");
    daemon.says(&["fn", "rm", "kept"]);
}

fn boto3_tells_its_client_context(daemon: &Daemon) {
    let source = "def handle(event, context):\n\
        \x20   return [event, context.client_context.custom, context.client_context.client.app_title]\n";
    deployed(daemon, "told", source, &[]);
    let script = "import base64, boto3, json, sys\n\
        client = boto3.client('lambda', endpoint_url=sys.argv[1], region_name='any', \
        aws_access_key_id='any', aws_secret_access_key='any')\n\
        context = {'custom': {'k': 'v'}, 'client': {'app_title': 'test'}}\n\
        context = base64.b64encode(json.dumps(context).encode()).decode()\n\
        answer = client.invoke(FunctionName='told', Payload=b'7', ClientContext=context)\n\
        print(answer['Payload'].read().decode())\n";
    let done = Command::new(PYTHON)
        .args(["-c", script, daemon.server()])
        .output()
        .unwrap();
    let answer: Value = serde_json::from_slice(&done.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", text(&done.stderr)));
    assert_eq!(answer, json!([7, {"k": "v"}, "test"]));
    daemon.says(&["fn", "rm", "told"]);
}

/// A runtime in a shell: what it knows of HTTP is busybox's wget.
const RUNTIME: &str = r#"#!/bin/busybox sh
set -e
api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime
while :; do
	busybox wget -q -S -O /tmp/event "$api/invocation/next" 2>/tmp/head
	id=$(busybox sed -n 's/^ *Lambda-Runtime-Aws-Request-Id: //p' /tmp/head | busybox tr -d '\r')
	echo "$PWD $1 $_HANDLER $(busybox cat /tmp/event)" >/tmp/result
	busybox wget -q -O /dev/null --post-file /tmp/result "$api/invocation/$id/response"
done
"#;

/// An image with an entrypoint and a working directory of its own.
fn image(folder: &Path) -> PathBuf {
    let config = json!({
        "Entrypoint": ["/srv/runtime"], "Cmd": ["of-the-image"], "WorkingDir": "/srv",
        "Env": ["PATH=/bin"],
    });
    let busybox = fs::read("/bin/busybox").unwrap();
    let files = [
        ("bin/busybox", busybox.as_slice()),
        ("srv/runtime", RUNTIME.as_bytes()),
        ("tmp/made", b""),
    ];
    docker_archive(&folder.join("image.tar"), &config, &files)
}

#[test]
fn an_image_whose_entrypoint_is_a_runtime_needs_no_code() {
    let daemon = Daemon::start();
    let folder = tempfile::tempdir().unwrap();
    let archive = format!("docker-archive:{}", image(folder.path()).display());
    daemon.says(&["image", "add", &archive, "--name", "runtime"]);
    let deploy = |name: &str, more: &[&str]| {
        let mut words = vec![
            "fn", "deploy", name, "--image", "runtime", "--kind", "lambda",
        ];
        words.extend(more);
        daemon.says(&words)
    };
    assert_eq!(deploy("own", &[]), "own version 1\n");
    let says = |name: &str| daemon.says(&["fn", "invoke", name, "--data", "42"]);
    assert_eq!(says("own"), "/srv of-the-image  42\n");
    assert_eq!(says("own"), "/srv of-the-image  42\n");
    // A handler takes the place of the image's command.
    deploy("given", &["--handler", "app.handle"]);
    assert_eq!(says("given"), "/srv app.handle app.handle 42\n");
    for name in ["own", "given"] {
        daemon.says(&["fn", "rm", name]);
    }
}
