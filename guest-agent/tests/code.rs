//! Code runs in python: a clean namespace, real exit codes, fresh randomness.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::{Duration, Instant};

use support::host::{Host, Outcome, argv, python};
use thaw_guest_protocol::{ExitStatus, FailureKind, Language, Reply, Request};

/// A host whose agent has been prepared as before a freeze.
async fn prepared() -> Host {
    let host = Host::local();
    let env = vec![("FROM_IMAGE".into(), "1".into())];
    host.call(Request::Prepare { env }).await.unwrap();
    host
}

/// Runs the same code in every way there is: in the interpreter itself, in a fork, in a new one.
async fn every_way(code: &str) -> Vec<Outcome> {
    let host = prepared().await;
    let mut outcomes = Vec::new();
    for keep_interpreter in [true, false, false, true] {
        let mut run = python(code);
        run.keep_interpreter = keep_interpreter;
        outcomes.push(host.code(run).await.unwrap());
    }
    outcomes
}

async fn assert_all(code: &str, status: ExitStatus, stdout: &str, stderr: &str) {
    for outcome in every_way(code).await {
        let got = (outcome.exit.status, outcome.out(), outcome.err());
        assert_eq!(got, (status, stdout, stderr), "{code}");
    }
}

#[tokio::test]
async fn code_ends_as_it_would_in_a_python_of_its_own() {
    let exited = ExitStatus::Exited;
    assert_all("print(6*7)", exited(0), "42\n", "").await;
    assert_all("import sys; sys.exit(3)", exited(3), "", "").await;
    assert_all("import sys; sys.exit('no')", exited(1), "", "no\n").await;
    assert_all("raise SystemExit", exited(0), "", "").await;
    assert_all("import os; os._exit(9)", exited(9), "", "").await;
    let code = "import os, signal; os.kill(os.getpid(), signal.SIGTERM)";
    assert_all(code, ExitStatus::Signaled(15), "", "").await;
    let code = "import os, signal; print('x', flush=True); os.kill(os.getpid(), signal.SIGSEGV)";
    assert_all(code, ExitStatus::Signaled(11), "x\n", "").await;
}

#[tokio::test]
async fn an_error_shows_a_traceback_with_the_source_and_without_the_harness() {
    let code = "def f():\n    return 1/0\n\nprint('before')\nf()\n";
    for outcome in every_way(code).await {
        assert_eq!(outcome.exit.status, ExitStatus::Exited(1));
        assert_eq!(outcome.out(), "before\n");
        let error = outcome.err();
        assert!(error.starts_with("Traceback (most recent call last):\n  File \"<string>\", line 5, in <module>\n    f()\n"), "{error}");
        assert!(error.contains("line 2, in f\n    return 1/0\n"), "{error}");
        assert!(
            error.ends_with("ZeroDivisionError: division by zero\n"),
            "{error}"
        );
    }
    let outcome = &every_way("x = = 1").await[1];
    assert_eq!(outcome.exit.status, ExitStatus::Exited(1));
    assert!(
        outcome.err().starts_with("  File \"<string>\", line 1\n"),
        "{outcome:?}"
    );
    let outcome = &every_way("raise KeyboardInterrupt").await[1];
    assert_eq!(outcome.exit.status, ExitStatus::Signaled(2));
}

#[tokio::test]
async fn code_finds_a_clean_main_module() {
    let code = "import sys, os, __main__\n\
        print(__name__, sorted(globals()))\n\
        print(sys.argv, repr(sys.path[0]), __main__.__dict__ is globals())\n\
        print(os.environ['FROM_IMAGE'], os.getcwd(), sys.stdout.seekable(), sys.stdin.read())\n\
        print(sorted(int(n) for n in os.listdir('/proc/self/fd'))[:3], os.getpid() == os.getpgid(0))\n";
    let expected = "__main__ ['__annotations__', '__builtins__', '__doc__', '__loader__', '__main__', '__name__', '__package__', '__spec__', 'os', 'sys']\n\
        ['-c'] '' True\n1 / False \n[0, 1, 2] True\n";
    assert_all(code, ExitStatus::Exited(0), expected, "").await;
}

#[tokio::test]
async fn what_is_buffered_open_or_registered_at_the_end_is_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let code = format!(
        "import atexit, threading, time, sys\n\
         atexit.register(lambda: print('atexit'))\n\
         f = open({path:?}, 'a'); f.write('kept\\n')\n\
         class C:\n    def __del__(self): print('del', flush=True)\n\
         c = C()\n\
         threading.Thread(target=lambda: (time.sleep(0.05), print('thread'))).start()\n\
         print('main')"
    );
    let expected = "main\nthread\natexit\ndel\n";
    assert_all(&code, ExitStatus::Exited(0), expected, "").await;
    assert_eq!(std::fs::read_to_string(path).unwrap(), "kept\n".repeat(4));
}

#[tokio::test]
async fn generators_of_the_frozen_interpreter_are_seeded_anew_before_code_runs() {
    let folder = tempfile::tempdir().unwrap();
    // Stands for what was loaded and used before the freeze: it loads with the interpreter.
    let site = "import random, ssl, tempfile, uuid\nrandom.seed(1)\nssl.RAND_bytes(1)\n\
        import _ssl\n_added = []\n_add = _ssl.RAND_add\n\
        def _note(data, entropy):\n    _added.append(bytes(data)); _add(data, entropy)\n\
        _ssl.RAND_add = _note\n";
    std::fs::write(folder.path().join("sitecustomize.py"), site).unwrap();
    let host = Host::local();
    let path = folder.path().to_str().unwrap().to_owned();
    let env = vec![("PYTHONPATH".into(), path)];
    host.call(Request::Prepare { env }).await.unwrap();
    let code = "import random, sitecustomize, uuid\n\
        a = random.random(); random.seed(1); b = random.random()\n\
        last = sitecustomize._added[-1]\n\
        print(a != b, len(last), last.hex(), a, uuid.uuid4())";
    let mut seen = std::collections::HashSet::new();
    for keep_interpreter in [true, true, true, false] {
        let mut run = python(code);
        run.keep_interpreter = keep_interpreter;
        let outcome = host.code(run).await.unwrap();
        assert!(outcome.out().starts_with("True 64 "), "{outcome:?}");
        assert!(
            outcome
                .out()
                .split(' ')
                .skip(2)
                .all(|drawn| seen.insert(drawn.to_owned()))
        );
    }
}

#[tokio::test]
async fn input_environment_folder_limits_and_timeouts_hold_for_code_too() {
    let host = prepared().await;
    for keep_interpreter in [true, false] {
        let mut run =
            python("import os, sys\nprint(os.environ['A'], os.getcwd(), sys.stdin.read())");
        run.keep_interpreter = keep_interpreter;
        run.env = vec![("A".into(), "b".into())];
        run.cwd = Some("/tmp".into());
        run.stdin = true;
        let mut talk = host.start(Request::Code(run.clone())).await;
        talk.stdin(b"input").await;
        talk.end_stdin().await;
        assert_eq!(talk.outcome().await.unwrap().out(), "b /tmp input\n");

        run.cwd = Some("/no/such".into());
        let failure = host.code(run).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::BadWorkingDirectory);

        let mut run = python("print('up', flush=True)\nwhile True: pass");
        run.keep_interpreter = keep_interpreter;
        run.timeout_ms = Some(400);
        let began = Instant::now();
        let outcome = host.code(run).await.unwrap();
        assert!(outcome.exit.timed_out && began.elapsed() < Duration::from_secs(5));
        assert_eq!(outcome.exit.status, ExitStatus::Signaled(9));
        assert_eq!(outcome.out(), "up\n");

        let mut run = python("print('x' * 100000)");
        run.keep_interpreter = keep_interpreter;
        run.output_limit_bytes = 10;
        let outcome = host.code(run).await.unwrap();
        assert_eq!(outcome.out(), "x".repeat(10));
        assert!(outcome.exit.stdout_truncated);
    }
}

#[tokio::test]
async fn a_rehearsal_leaves_no_name_behind_and_the_interpreter_where_it_was() {
    let host = prepared().await;
    for _ in 0..2 {
        let talk = host
            .start(Request::Rehearse(python("x = 1; print(x)")))
            .await;
        let outcome = talk.outcome().await.unwrap();
        let got = (outcome.exit.status, outcome.out(), outcome.err());
        assert_eq!(got, (ExitStatus::Exited(0), "1\n", ""));
    }
    let run = python("print('x' in dir(), __name__)");
    assert_eq!(host.code(run).await.unwrap().out(), "False __main__\n");
}

#[tokio::test]
async fn code_that_ends_is_done_when_it_has_written_everything() {
    // A copy that the code makes of itself comes to the same end, and is not it.
    let host = prepared().await;
    let code = "import os, sys\n\
                if os.fork() == 0:\n    sys.exit(9)\n\
                os.wait()\nprint('x' * 70000)\nsys.exit(4)";
    let outcome = host.code(python(code)).await.unwrap();
    assert_eq!(outcome.exit.status, ExitStatus::Exited(4));
    assert_eq!(outcome.out().len(), 70_001);
}

#[tokio::test]
async fn code_may_close_every_descriptor_and_still_ends_as_it_wants_to() {
    let host = prepared().await;
    let code = "import os, sys\nprint('up', flush=True)\nos.closerange(3, 4096)\nsys.exit(5)";
    let outcome = host.code(python(code)).await.unwrap();
    let got = (outcome.exit.status, outcome.out());
    assert_eq!(got, (ExitStatus::Exited(5), "up\n"));
    let first = "print(open('/dev/null').fileno())";
    let host = prepared().await;
    assert_eq!(host.code(python(first)).await.unwrap().out(), "3\n");
}

#[tokio::test]
async fn a_megabyte_of_code_and_subprocesses_work() {
    let code = format!(
        "import subprocess\nx = '{}'\nprint(len(x), flush=True)\nsubprocess.run(['echo', 'sub'])",
        "a".repeat(900_000)
    );
    assert_all(&code, ExitStatus::Exited(0), "900000\nsub\n", "").await;
}

#[tokio::test]
async fn forks_run_side_by_side_and_see_nothing_of_each_other() {
    let host = prepared().await;
    let mut talks = Vec::new();
    for n in 0..8 {
        let mut run = python(&format!(
            "import sys, builtins\nassert not hasattr(builtins, 'mine')\nbuiltins.mine = 1\n\
             print('up', flush=True); print(sys.stdin.read(), {n})"
        ));
        run.keep_interpreter = true;
        run.stdin = true;
        let mut talk = host.start(Request::Code(run)).await;
        talk.until("up").await;
        talks.push(talk);
    }
    for (n, mut talk) in talks.into_iter().enumerate().rev() {
        talk.end_stdin().await;
        assert_eq!(talk.outcome().await.unwrap().out(), format!(" {n}\n"));
    }
    let me = std::process::id().to_string();
    let children = host
        .exec(argv(&["ps", "--ppid", &me, "-o", "args="]))
        .await
        .unwrap();
    assert_eq!(children.out().matches("python3").count(), 1, "{children:?}");
}

#[tokio::test]
async fn an_interpreter_that_died_while_it_waited_is_replaced() {
    let host = prepared().await;
    for keep_interpreter in [false, true] {
        host.call(Request::Prove).await.unwrap();
        let me = std::process::id();
        // A process that was killed is not dead yet; a zombie is.
        host.shell(&format!(
            "pkill -9 -P {me} python3; while pgrep -P {me} -r R,S,D python3; do :; done"
        ))
        .await;
        let mut run = python("print(1)");
        run.keep_interpreter = keep_interpreter;
        assert_eq!(host.code(run).await.unwrap().out(), "1\n");
        host.call(Request::Prepare { env: Vec::new() })
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn an_image_without_python_says_so() {
    let host = Host::local();
    let env = vec![("PATH".into(), "/no/such".into())];
    host.call(Request::Prepare { env }).await.unwrap();
    let failure = host.code(python("print(1)")).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::NoInterpreter);
    let Reply::Info(info) = host.call(Request::Info).await.unwrap() else {
        panic!("not an info")
    };
    assert_eq!(info.interpreters, []);
    let Reply::Info(info) = prepared().await.call(Request::Info).await.unwrap() else {
        panic!("not an info")
    };
    assert_eq!(info.interpreters[0].0, Language::Python);
    assert!(info.interpreters[0].1.starts_with("3."));
}
