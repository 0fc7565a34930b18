//! Functions as a user deploys and invokes them, with real VMs.

use std::{fs, io::Write as _};

use nix::sys::signal::Signal;

use crate::support::{
    Daemon,
    function::{code, deploy, example, json},
    text,
};

#[test]
fn functions_are_deployed_invoked_and_removed_as_the_guide_says() {
    let mut daemon = Daemon::with_python(&[]);
    a_python_example_answers_and_each_event_has_a_fresh_clone(&daemon);
    a_command_and_a_server_take_events_and_requests(&daemon);
    what_goes_wrong_is_told_as_the_functions_error(&daemon);
    a_deploy_that_fails_changes_nothing(&daemon);
    a_zip_is_deployed_without_naming_its_kind(&daemon);
    aliases_lead_to_versions_and_back(&daemon);
    reuse_keeps_a_clone_until_there_is_doubt(&daemon);

    // What was deployed is there after the daemon was killed.
    daemon.stop(Signal::SIGKILL);
    daemon.start_again();
    let answer = daemon.says(&["fn", "invoke", "hello", "--data", "{}"]);
    assert_eq!(json(&answer)["greeting"], "Hi, world!");

    for name in ["hello", "shout", "site", "bad", "routed", "kept"] {
        daemon.says(&["fn", "rm", name]);
    }
    assert_eq!(
        json(&daemon.says(&["fn", "ls", "--json"]))["functions"],
        json("[]")
    );
    let gone = daemon.thaw(&["fn", "invoke", "hello", "--data", "{}"]);
    assert!(
        text(&gone.stderr).contains("there is no function"),
        "{}",
        text(&gone.stderr)
    );
    daemon.stop(Signal::SIGTERM);
    assert_eq!(daemon.vmms(), 0);
}

fn a_python_example_answers_and_each_event_has_a_fresh_clone(daemon: &Daemon) {
    let folder = example("python");
    let done = deploy(
        daemon,
        "hello",
        folder.as_ref(),
        &["--handler", "app.handle", "--env", "GREETING=Hi"],
    );
    assert_eq!(
        text(&done.stdout),
        "hello version 1\n",
        "{}",
        text(&done.stderr)
    );
    let invoke = || {
        let words = [
            "fn",
            "invoke",
            "hello",
            "--data",
            r#"{"name": "Ada"}"#,
            "--log",
        ];
        let done = daemon.thaw(&words);
        assert_eq!(text(&done.stderr), "greeting \"Ada\"\n");
        json(&text(&done.stdout))
    };
    let (first, second) = (invoke(), invoke());
    assert_eq!(first["greeting"], "Hi, Ada!");
    assert_eq!(first["square"], 1764);
    // Both are clones of one frozen interpreter, and must not draw the same.
    assert_ne!(first["draw"], second["draw"]);
    assert_ne!(first["request_id"], second["request_id"]);
    let log = daemon.says(&["fn", "logs", "hello"]);
    assert_eq!(log.matches("greeting \"Ada\"").count(), 2, "{log}");

    let source = "import random, ssl, uuid\n\
        random.random(); ssl.RAND_bytes(8); uuid.uuid4()\n\
        calls = 0\n\
        def handle(event, context):\n\
        \x20   global calls; calls += 1\n\
        \x20   return [calls, random.random(), ssl.RAND_bytes(8).hex(), str(uuid.uuid4())]\n";
    let folder = code("app.py", source);
    let done = deploy(daemon, "draws", folder.path(), &["--handler", "app.handle"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let draw = || json(&daemon.says(&["fn", "invoke", "draws", "--data", "1"]));
    let (first, second) = (draw(), draw());
    assert_eq!((&first[0], &second[0]), (&json("1"), &json("1")));
    for index in 1..4 {
        assert_ne!(first[index], second[index], "two clones drew the same");
    }
    daemon.says(&["fn", "rm", "draws"]);
}

fn a_command_and_a_server_take_events_and_requests(daemon: &Daemon) {
    let folder = example("command");
    let done = deploy(daemon, "shout", folder.as_ref(), &["--", "./run"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let words = [
        "fn",
        "invoke",
        "shout",
        "--data",
        "hello",
        "--content-type",
        "text/plain",
    ];
    assert_eq!(daemon.says(&words), "HELLO\n");

    let folder = example("http");
    let more = ["--network", "--port", "8080", "--", "python3", "server.py"];
    let done = deploy(daemon, "site", folder.as_ref(), &more);
    let told = text(&done.stderr);
    assert!(done.status.success(), "{told}");
    assert!(told.contains("there are no networks yet"), "{told}");
    let inspected = json(&daemon.says(&["fn", "inspect", "site"]));
    assert_eq!(inspected["newest"]["warnings"].as_array().unwrap().len(), 1);
    let (status, body) = daemon.http("GET", "/v1/functions/site/http/some/page?x=1", 0, b"");
    assert_eq!(
        (status, body.as_str()),
        (200, "You asked for /some/page?x=1\n")
    );
    // What is encoded may mean something else to a server than what it stands for.
    let (_, body) = daemon.http("GET", "/v1/functions/site/http/a%2Fb/%ff", 0, b"");
    assert_eq!(body, "You asked for /a%2Fb/%ff\n");
    let (status, body) = daemon.http("POST", "/v1/functions/site/http/", 200_000, &[7; 200_000]);
    assert_eq!((status, body.as_str()), (200, "You sent 200000 bytes\n"));
    let wrong = daemon.thaw(&["fn", "invoke", "site", "--data", "{}"]);
    assert!(
        text(&wrong.stderr).contains("kind http"),
        "{}",
        text(&wrong.stderr)
    );
}

fn what_goes_wrong_is_told_as_the_functions_error(daemon: &Daemon) {
    let source = "import os\n\
        def handle(event, context):\n\
        \x20   print('begun', event)\n\
        \x20   if event == 'raise': raise KeyError('what')\n\
        \x20   if event == 'exit': os._exit(9)\n\
        \x20   if event == 'large': return b'x' * (100 << 20)\n\
        \x20   if event == 'noise':\n\
        \x20       for _ in range(100): os.write(1, b'y' * (1 << 20))\n\
        \x20   while event == 'loop': pass\n\
        \x20   return event\n";
    let folder = code("app.py", source);
    let more = [
        "--handler",
        "app.handle",
        "--timeout",
        "20",
        "--memory",
        "768",
    ];
    let done = deploy(daemon, "bad", folder.path(), &more);
    assert!(done.status.success(), "{}", text(&done.stderr));
    for (event, kind, message) in [
        ("raise", "KeyError", "'what'"),
        ("exit", "Runtime.ExitError", "exit status 9"),
        ("loop", "Sandbox.Timedout", "timed out after 20.00 seconds"),
        ("large", "Function.ResponseSizeTooLarge", "the limit is"),
    ] {
        let data = format!("{event:?}");
        let done = daemon.thaw(&["fn", "invoke", "bad", "--data", &data]);
        assert_eq!(
            done.status.code(),
            Some(1),
            "{event}: {}",
            text(&done.stderr)
        );
        let error = json(&text(&done.stdout));
        assert_eq!(error["errorType"], kind, "{error}");
        let said = error["errorMessage"].as_str().unwrap();
        assert!(said.contains(message), "{error}");
    }
    // A flood of log is cut and does not hold up the answer.
    assert_eq!(
        daemon.says(&["fn", "invoke", "bad", "--data", "\"noise\""]),
        "\"noise\"\n"
    );
    let logs = json(&daemon.says(&["fn", "logs", "bad", "-n", "1", "--json"]));
    assert_eq!(logs["truncated"], true);
    let errors = daemon.says(&["fn", "logs", "bad", "--errors"]);
    assert_eq!(errors.matches(" ERROR ").count(), 4, "{errors}");
    let (status, body) = daemon.http("POST", "/v1/functions/bad/invoke", 7 << 20, b"");
    assert_eq!(status, 413, "{body}");
}

fn a_deploy_that_fails_changes_nothing(daemon: &Daemon) {
    let before = daemon.says(&["fn", "inspect", "hello"]);
    let failing = [
        ("def handle(:\n", "SyntaxError"),
        (
            "print('loading')\nimport nothing_of_it\n",
            "No module named 'nothing_of_it'",
        ),
        ("x = 1\n", "has no function 'handle'"),
    ];
    for (source, said) in failing {
        let folder = code("app.py", source);
        let done = deploy(daemon, "hello", folder.path(), &["--handler", "app.handle"]);
        assert_eq!(done.status.code(), Some(125));
        assert!(text(&done.stderr).contains(said), "{}", text(&done.stderr));
    }
    let folder = tempfile::tempdir().unwrap();
    let zip = folder.path().join("bad.zip");
    fs::write(&zip, "PK\x03\x04 and no more").unwrap();
    let more = ["--handler", "app.handle", "--kind", "python"];
    let done = deploy(daemon, "hello", &zip, &more);
    assert!(
        text(&done.stderr).contains("zip archive can't be read"),
        "{}",
        text(&done.stderr)
    );
    let after = daemon.says(&["fn", "inspect", "hello"]);
    assert_eq!(json(&before)["newest"], json(&after)["newest"]);
    let left = fs::read_dir(daemon.storage().join("functions/code"))
        .unwrap()
        .count();
    let used = json(&daemon.says(&["fn", "ls", "--json"]))["functions"]
        .as_array()
        .unwrap()
        .len();
    assert_eq!(left, used, "code of a deploy that failed was left behind");
}

fn a_zip_is_deployed_without_naming_its_kind(daemon: &Daemon) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("code.zip");
    let mut zip = zip::ZipWriter::new(fs::File::create(&path).unwrap());
    let options = zip::write::SimpleFileOptions::default();
    zip.start_file("app.py", options).unwrap();
    let source = "def handle(event, context): return ['zipped', event]\n";
    zip.write_all(source.as_bytes()).unwrap();
    zip.finish().unwrap();
    let done = deploy(daemon, "zipped", &path, &["--handler", "app.handle"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let answer = daemon.says(&["fn", "invoke", "zipped", "--data", "1"]);
    assert_eq!(answer, "[\"zipped\", 1]\n");
    daemon.says(&["fn", "rm", "zipped"]);
}

fn aliases_lead_to_versions_and_back(daemon: &Daemon) {
    let one = code("app.py", "def handle(event, context): return 'one'\n");
    let two = code("app.py", "def handle(event, context): return 'two'\n");
    for folder in [&one, &two] {
        let more = ["--handler", "app.handle", "--min-warm", "0"];
        let done = deploy(daemon, "routed", folder.path(), &more);
        assert!(done.status.success(), "{}", text(&done.stderr));
    }
    let invoke = |qualifier: &str| {
        let words = [
            "fn",
            "invoke",
            "routed",
            "--data",
            "1",
            "--qualifier",
            qualifier,
        ];
        daemon.says(&words)
    };
    daemon.says(&["fn", "alias", "set", "routed", "live", "1"]);
    assert_eq!(
        (invoke("live"), invoke("2")),
        ("\"one\"\n".into(), "\"two\"\n".into())
    );
    daemon.says(&["fn", "alias", "set", "routed", "live", "2"]);
    assert_eq!(invoke("live"), "\"two\"\n");
    let refused = daemon.thaw(&["fn", "rm", "routed", "--version", "2"]);
    assert!(
        text(&refused.stderr).contains("in use"),
        "{}",
        text(&refused.stderr)
    );
    daemon.says(&["fn", "alias", "rollback", "routed", "live"]);
    assert_eq!(invoke("live"), "\"one\"\n");
    daemon.says(&["fn", "alias", "rm", "routed", "live"]);
    daemon.says(&["fn", "rm", "routed", "--version", "1"]);
    let missing = daemon.thaw(&["fn", "invoke", "routed", "--data", "1", "--qualifier", "1"]);
    assert!(
        text(&missing.stderr).contains("no version or alias"),
        "{}",
        text(&missing.stderr)
    );
}

fn reuse_keeps_a_clone_until_there_is_doubt(daemon: &Daemon) {
    let source = "import os\ncalls = 0\n\
        def handle(event, context):\n\
        \x20   global calls; calls += 1\n\
        \x20   if event == 'exit': os._exit(1)\n\
        \x20   if event == 'raise': raise ValueError\n\
        \x20   return calls\n";
    let folder = code("app.py", source);
    let more = [
        "--handler",
        "app.handle",
        "--reuse",
        "4",
        "--concurrency",
        "1",
    ];
    let done = deploy(daemon, "kept", folder.path(), &more);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let invoke = |data: &str| {
        text(
            &daemon
                .thaw(&["fn", "invoke", "kept", "--data", data])
                .stdout,
        )
    };
    // An error is no doubt, the end of a process is; after four events there is a fresh one in any case.
    let answers: Vec<_> = ["1", "\"raise\"", "1", "1", "1", "\"exit\"", "1"]
        .map(invoke)
        .into();
    let numbers: Vec<_> = answers
        .iter()
        .filter_map(|a| a.trim().parse::<u32>().ok())
        .collect();
    assert_eq!(numbers, [1, 3, 4, 1, 1], "{answers:?}");
}

#[test]
fn starters_are_written_and_nothing_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    for (kind, file) in [
        ("python", "app.py"),
        ("node", "app.js"),
        ("command", "run"),
        ("lambda", "app.py"),
        ("http", "server.py"),
    ] {
        let at = folder.path().join(kind);
        let init = || {
            std::process::Command::new(env!("CARGO_BIN_EXE_thaw"))
                .args(["fn", "init", kind])
                .arg(&at)
                .output()
                .unwrap()
        };
        let done = init();
        assert!(done.status.success(), "{}", text(&done.stderr));
        let told = text(&done.stdout);
        let last = told.lines().last().unwrap();
        assert!(last.starts_with("thaw fn deploy NAME --image "), "{told}");
        assert!(at.join(file).is_file());
        assert!(text(&init().stderr).contains("is not empty"));
    }
}

#[test]
fn clones_of_a_node_function_that_has_used_its_generators_draw_their_own_numbers() {
    let daemon = Daemon::with_python(&[]);
    daemon.says(&["image", "add", "debian:bookworm+nodejs", "--name", "node"]);
    let folder = example("node");
    let deploy = |name: &str, folder: &str| {
        daemon.says(&[
            "fn",
            "deploy",
            name,
            "--image",
            "node",
            "--handler",
            "app.handle",
            "--code",
            folder,
        ])
    };
    assert_eq!(deploy("hello", &folder), "hello version 1\n");
    let answer = daemon.says(&["fn", "invoke", "hello", "--data", r#"{"name": "Ada"}"#]);
    assert_eq!(json(&answer)["greeting"], "Hello, Ada!");

    let source = "const crypto = require('crypto');\n\
        const draw = () => [\n\
        \x20 crypto.randomUUID(), crypto.randomInt(2 ** 40), crypto.randomBytes(8).toString('hex'), Math.random(),\n\
        \x20 crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ type: 'spki', format: 'pem' }),\n\
        ];\n\
        draw();\n\
        exports.handle = draw;\n";
    let folder = code("app.js", source);
    deploy("draws", folder.path().to_str().unwrap());
    let draw = || json(&daemon.says(&["fn", "invoke", "draws", "--data", "1"]));
    let (first, second) = (draw(), draw());
    for index in 0..5 {
        assert!(!first[index].is_null());
        assert_ne!(first[index], second[index], "two clones drew the same");
    }
    for name in ["hello", "draws"] {
        daemon.says(&["fn", "rm", name]);
    }
}
