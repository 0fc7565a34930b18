//! Functions: loaded once, then given events, in every kind whose interpreter this machine has.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use support::{
    function::{Answered, Function, files},
    host::{Host, Outcome as Ran},
};
use thaw_guest_protocol::{ExitStatus, FailureKind, FunctionKind, HttpHooks, Outcome};

fn python(handler: &str) -> FunctionKind {
    FunctionKind::Python {
        handler: handler.into(),
    }
}

fn node(handler: &str) -> FunctionKind {
    FunctionKind::Node {
        handler: handler.into(),
    }
}

fn command(argv: &[&str]) -> FunctionKind {
    FunctionKind::Command {
        argv: argv.iter().map(|&word| word.into()).collect(),
    }
}

fn server(port: u16) -> FunctionKind {
    FunctionKind::Http {
        argv: vec!["python3".into(), "server.py".into()],
        port,
        hooks: HttpHooks::default(),
    }
}

/// A port that nobody listens on now.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

async fn loaded(kind: FunctionKind, name: &str, source: &str) -> Function {
    let (function, ran) = Function::load(kind, &files(&[(name, source)])).await;
    let ran = ran.unwrap();
    assert_eq!(ran.exit.status, ExitStatus::Exited(0), "{}", ran.err());
    function
}

/// What the initialisation says when it fails.
async fn refused(kind: FunctionKind, name: &str, source: &str) -> Ran {
    let (_function, ran) = Function::load(kind, &files(&[(name, source)])).await;
    let ran = ran.unwrap();
    assert_ne!(ran.exit.status, ExitStatus::Exited(0), "{ran:?}");
    ran
}

fn json(answered: &Answered) -> serde_json::Value {
    serde_json::from_slice(&answered.result).unwrap()
}

#[tokio::test]
async fn a_handler_is_given_its_events_one_after_the_other() {
    let source = "calls = 0\n\
        def handle(event, context):\n\
        \x20   global calls\n\
        \x20   calls += 1\n\
        \x20   print('call', calls)\n\
        \x20   assert context.get_remaining_time_in_millis() > 1000\n\
        \x20   return {'event': event, 'call': calls, 'id': context.aws_request_id}\n";
    let function = loaded(python("pack/app.handle"), "pack/app.py", source).await;
    for call in 1..=3 {
        let answered = function.invoke(r#"{"a": "ü"}"#).await.unwrap();
        assert_eq!(answered.outcome(), Outcome::Returned, "{answered:?}");
        let expected = serde_json::json!({"event": {"a": "ü"}, "call": call, "id": "r-1"});
        assert_eq!(json(&answered), expected);
        assert_eq!(answered.content_type.as_deref(), Some("application/json"));
        assert_eq!(answered.log(), format!("call {call}\n"));
    }
}

#[tokio::test]
async fn a_node_handler_is_given_its_events_and_may_answer_by_promise_or_callback() {
    let source = "exports.soon = async (event, context) => {\n\
        \x20 console.log('said', context.functionName);\n\
        \x20 return { got: event, left: context.getRemainingTimeInMillis() > 1000 };\n};\n\
        exports.back = (event, context, done) => { setImmediate(() => done(null, [event])); };\n\
        exports.bytes = () => Buffer.from([255, 0, 1]);\n";
    let function = loaded(node("app.soon"), "app.js", source).await;
    for _ in 0..2 {
        let answered = function.invoke("[1]").await.unwrap();
        assert_eq!(answered.outcome(), Outcome::Returned, "{answered:?}");
        let expected = serde_json::json!({"got": [1], "left": true});
        assert_eq!(json(&answered), expected);
        assert_eq!(answered.log(), "said f\n");
    }
    let function = loaded(node("app.back"), "app.js", source).await;
    assert_eq!(function.invoke("2").await.unwrap().result, b"[2]");
    let function = loaded(node("app.bytes"), "app.js", source).await;
    let answered = function.invoke("2").await.unwrap();
    assert_eq!(answered.result, [255, 0, 1]);
    assert_eq!(
        answered.content_type.as_deref(),
        Some("application/octet-stream")
    );
}

#[tokio::test]
async fn an_error_comes_back_with_its_type_message_and_trace_and_the_function_goes_on() {
    let source = "def helper(x):\n    raise ValueError('no ' + x)\n\
        def handle(event, context):\n    return helper(event)\n";
    let function = loaded(python("app.handle"), "app.py", source).await;
    for _ in 0..2 {
        let answered = function.invoke(r#""x""#).await.unwrap();
        assert_eq!(answered.outcome(), Outcome::Raised);
        let error = json(&answered);
        assert_eq!(error["errorType"], "ValueError");
        assert_eq!(error["errorMessage"], "no x");
        let trace = error["stackTrace"].as_array().unwrap();
        assert_eq!(trace.len(), 2, "{trace:?}");
        assert!(trace[1].as_str().unwrap().contains("line 2, in helper"));
        assert!(
            answered.log().ends_with("ValueError: no x\n"),
            "{}",
            answered.log()
        );
    }
    let source = "class Odd extends TypeError { get name() { return 'Odd'; } }\n\
        exports.handle = async () => { throw new Odd('no'); };\n\
        exports.later = () => new Promise(() => setImmediate(() => { throw new Odd('late'); }));\n";
    for (handler, message) in [("app.handle", "no"), ("app.later", "late")] {
        let function = loaded(node(handler), "app.js", source).await;
        let answered = function.invoke("{}").await.unwrap();
        assert_eq!(answered.outcome(), Outcome::Raised, "{answered:?}");
        let error = json(&answered);
        assert_eq!(error["errorType"], "Odd");
        assert_eq!(error["errorMessage"], message);
    }
}

#[tokio::test]
async fn what_cannot_be_initialised_says_why_in_its_own_words() {
    let ran = refused(python("app.handle"), "app.py", "def handle(:\n").await;
    assert!(ran.err().contains("SyntaxError: "), "{}", ran.err());
    assert!(ran.err().contains("def handle(:"), "{}", ran.err());
    let ran = refused(python("app.handle"), "app.py", "x = 1\n").await;
    assert_eq!(
        ran.err(),
        "handler 'app.handle': module 'app' has no function 'handle'\n"
    );
    let ran = refused(python("other.handle"), "app.py", "x = 1\n").await;
    assert_eq!(
        ran.err(),
        "handler 'other.handle': there is no module 'other' in the code\n"
    );
    let ran = refused(python("app"), "app.py", "x = 1\n").await;
    assert!(ran.err().contains("module.function"), "{}", ran.err());
    let ran = refused(python("app.handle"), "app.py", "import nothing_like_it\n").await;
    assert!(ran.err().contains("No module named 'nothing_like_it'"));
    let ran = refused(
        python("app.handle"),
        "app.py",
        "print('bye')\nraise SystemExit(0)\n",
    )
    .await;
    assert_eq!(
        (ran.out(), ran.exit.status),
        ("bye\n", ExitStatus::Exited(1))
    );
    let ran = refused(python("app.handle"), "app.py", "while True: pass\n").await;
    assert!(ran.exit.timed_out);
    let ran = refused(node("app.handle"), "app.js", "exports.other = 1;\n").await;
    assert_eq!(
        ran.err(),
        "handler 'app.handle': app.js exports no function 'handle'\n"
    );
    let ran = refused(node("app.handle"), "app.js", "exports.handle = (\n").await;
    assert!(ran.err().contains("SyntaxError"), "{}", ran.err());
    let (_, ran) = Function::load(command(&["./nothing"]), &files(&[("a", "b")])).await;
    assert_eq!(ran.unwrap_err().kind, FailureKind::ProgramNotFound);
}

#[tokio::test]
async fn one_that_was_cut_off_serves_no_other_event() {
    let source = "import os, time\n\
        def handle(event, context):\n\
        \x20   print('begun')\n\
        \x20   if event == 'exit': os._exit(3)\n\
        \x20   if event == 'large': return 'x' * 3000000\n\
        \x20   if event == 'socket':\n\
        \x20       for fd in range(3, 20):\n\
        \x20           try: os.write(fd, b'y' * 64)\n\
        \x20           except OSError: pass\n\
        \x20   while event == 'loop': pass\n";
    for (event, expected) in [
        ("exit", Outcome::Ended(ExitStatus::Exited(3))),
        ("loop", Outcome::TimedOut),
        ("socket", Outcome::Ended(ExitStatus::Exited(1))),
    ] {
        let function = loaded(python("app.handle"), "app.py", source).await;
        let answered = function
            .invoke_for(&format!("{event:?}"), 2000)
            .await
            .unwrap();
        assert_eq!(answered.outcome(), expected, "{event}");
        assert!(
            answered.log().starts_with("begun\n"),
            "{event}: {answered:?}"
        );
        let refused = function.invoke("1").await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::BadRequest, "{event}");
    }
    let function = loaded(python("app.handle"), "app.py", source).await;
    let answered = function.invoke(r#""large""#).await.unwrap();
    assert_eq!(answered.outcome(), Outcome::Raised);
    assert_eq!(
        json(&answered)["errorType"],
        "Function.ResponseSizeTooLarge"
    );
    assert_eq!(function.invoke("1").await.unwrap().result, b"null");
}

#[tokio::test]
async fn one_that_ended_between_events_is_told_and_nobody_is_given_the_event() {
    let source = "import os\ndef handle(event, context): return os.getpid()\n";
    let function = loaded(python("app.handle"), "app.py", source).await;
    let pid = json(&function.invoke("1").await.unwrap()).as_i64().unwrap();
    let process = nix::unistd::Pid::from_raw(pid.try_into().unwrap());
    nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGKILL).unwrap();
    // It has ended when it only waits to be reaped.
    let is_over = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
        stat.map_or(true, |stat| stat.contains(") Z "))
    };
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !is_over() {
        assert!(std::time::Instant::now() < deadline, "it does not end");
        tokio::task::yield_now().await;
    }
    let refused = function.invoke("2").await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::FunctionEnded);
}

#[tokio::test]
async fn one_that_ran_out_of_memory_serves_no_other_event() {
    let source = "def handle(event, context):\n    raise MemoryError('no room')\n";
    let function = loaded(python("app.handle"), "app.py", source).await;
    let answered = function.invoke("1").await.unwrap();
    assert_eq!(answered.outcome(), Outcome::Raised);
    assert!(!answered.invoked.is_fit());
    assert_eq!(json(&answered)["errorType"], "MemoryError");
    let refused = function.invoke("2").await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::BadRequest);
}

#[tokio::test]
async fn what_a_generator_or_a_command_yields_is_seen_before_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let seen = folder.path().join("seen");
    let path = seen.to_str().unwrap();
    // Each goes on once its first piece has been seen.
    let source = format!(
        "import asyncio, os, time\n\
        def handle(event, context):\n\
        \x20   yield {{'first': event}}\n\
        \x20   while event and not os.path.exists('{path}'): time.sleep(0.01)\n\
        \x20   yield 'then'\n\
        async def generate(event, context):\n\
        \x20   yield {{'first': event}}\n\
        \x20   while event and not os.path.exists('{path}'): await asyncio.sleep(0.01)\n\
        \x20   yield 'then'\n\
        async def hand_on(event, context):\n\
        \x20   return generate(event, context)\n"
    );
    let generator = loaded(python("app.handle"), "app.py", &source).await;
    let generating = loaded(python("app.generate"), "app.py", &source).await;
    let handing_on = loaded(python("app.hand_on"), "app.py", &source).await;
    // As JSON.stringify writes it, with the space that python puts in.
    let source = format!(
        "const fs = require('fs'), {{ setTimeout: wait }} = require('timers/promises');\n\
        exports.handle = async function* (event) {{\n\
        \x20 yield Buffer.from('{{\"first\": ' + event + '}}\\n');\n\
        \x20 while (event && !fs.existsSync('{path}')) await wait(10);\n\
        \x20 yield 'then';\n\
        }};\n\
        exports.stream = (event) => require('stream').Readable.from(exports.handle(event));\n"
    );
    let node_generator = loaded(node("app.handle"), "app.js", &source).await;
    let node_stream = loaded(node("app.stream"), "app.js", &source).await;
    let source = format!(
        "#!/bin/sh\necho '{{\"first\": 1}}'; until [ -e {path} ]; do :; done; printf then\n"
    );
    let command = loaded(command(&["./run"]), "run", &source).await;
    for function in [
        &generator,
        &generating,
        &handing_on,
        &node_generator,
        &node_stream,
        &command,
    ] {
        let mut pieces = Vec::new();
        let mut see = |piece: &[u8]| {
            pieces.push(piece.to_vec());
            std::fs::write(&seen, "").unwrap();
        };
        let answered = function.invoke_in_pieces("1", &mut see).await.unwrap();
        assert_eq!(answered.outcome(), Outcome::Returned, "{answered:?}");
        assert_eq!(answered.result, b"{\"first\": 1}\nthen");
        assert_eq!(pieces.len(), 2, "{pieces:?}");
        std::fs::remove_file(&seen).unwrap();
    }
    // Whoever does not ask for pieces gets the whole, which is of the kind of its first piece.
    for (function, kind) in [
        (&generator, "application/x-ndjson"),
        (&generating, "application/x-ndjson"),
        (&node_generator, "application/octet-stream"),
    ] {
        let whole = function.invoke("0").await.unwrap();
        assert_eq!(whole.result, b"{\"first\": 0}\nthen");
        assert_eq!(whole.content_type.as_deref(), Some(kind));
    }
}

#[tokio::test]
async fn a_generator_that_raises_or_yields_too_much_is_told_and_goes_on_serving() {
    let source = "async def handle(event, context):\n\
        \x20   yield 'first'\n\
        \x20   if event == 'raise': raise KeyError('what')\n\
        \x20   while event == 'large': yield b'x' * 100000\n";
    let python = loaded(python("app.handle"), "app.py", source).await;
    let source = "exports.handle = function* (event) {\n\
        \x20 yield 'first';\n\
        \x20 if (event === 'raise') throw new RangeError('what');\n\
        \x20 if (event === 'aside') { setImmediate(() => { throw new RangeError('what'); }); yield new Promise(() => {}); }\n\
        \x20 while (event === 'large') yield Buffer.alloc(100000);\n\
        };\n";
    let node = loaded(node("app.handle"), "app.js", source).await;
    for (function, event, kind) in [
        (&python, "raise", "KeyError"),
        (&node, "raise", "RangeError"),
        (&node, "aside", "RangeError"),
        (&python, "large", "Function.ResponseSizeTooLarge"),
        (&node, "large", "Function.ResponseSizeTooLarge"),
    ] {
        let event = format!("{event:?}");
        let answered = function.invoke(&event).await.unwrap();
        assert_eq!(answered.outcome(), Outcome::Raised, "{event}: {answered:?}");
        assert_eq!(json(&answered)["errorType"], kind, "{event}");
        // Once a piece has gone out the error has no place in the result.
        let broken = function.invoke_in_pieces(&event, &mut |_| {}).await;
        let broken = broken.unwrap();
        assert_eq!(broken.outcome(), Outcome::Raised, "{event}: {broken:?}");
        assert!(broken.result.starts_with(b"first"), "{event}");
        assert_eq!(function.invoke("1").await.unwrap().result, b"first");
    }
}

#[tokio::test]
async fn what_is_logged_at_a_level_that_was_set_is_in_the_log() {
    let source = "import logging\n\
        logger = logging.getLogger()\n\
        logger.setLevel(logging.INFO)\n\
        def handle(event, context):\n\
        \x20   logger.info('hello %s', event)\n\
        \x20   logging.getLogger('other').debug('not this')\n";
    let function = loaded(python("app.handle"), "app.py", source).await;
    let answered = function.invoke("1").await.unwrap();
    let log = answered.log();
    assert!(
        log.starts_with("[INFO]\t") && log.ends_with("Z\tr-1\thello 1\n"),
        "{log}"
    );
    let source = "import logging\n\
        logging.basicConfig(level=logging.INFO, format='mine %(message)s')\n\
        def handle(event, context): logging.info('hello')\n";
    let function = loaded(python("app.handle"), "app.py", source).await;
    assert_eq!(function.invoke("1").await.unwrap().log(), "mine hello\n");
}

#[tokio::test]
async fn large_binary_events_come_back_whole_and_a_flood_of_log_is_cut() {
    let source = "def handle(event, context):\n\
        \x20   print('x' * 10000000)\n\
        \x20   return event\n";
    let function = loaded(python("app.handle"), "app.py", source).await;
    let event: Vec<u8> = (0..1_500_000_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let answered = function.invoke_bytes(&event).await.unwrap();
    assert_eq!(answered.outcome(), Outcome::Returned);
    assert!(answered.result == event);
    assert_eq!(answered.log().len(), 65536);
    assert!(answered.invoked.log_truncated);
}

#[tokio::test]
async fn a_command_gets_the_event_on_its_standard_input() {
    let source = "#!/bin/sh\ncat; echo log >&2; exit \"${1:-0}\"\n";
    let function = loaded(command(&["./run"]), "run", source).await;
    for event in ["one", "two"] {
        let answered = function.invoke_bytes(event.as_bytes()).await.unwrap();
        assert_eq!(answered.outcome(), Outcome::Returned, "{answered:?}");
        assert_eq!(answered.result, event.as_bytes());
        assert_eq!(answered.log(), "log\n");
    }
    let function = loaded(command(&["./run", "4"]), "run", source).await;
    let answered = function.invoke("x").await.unwrap();
    assert_eq!(answered.outcome(), Outcome::Ended(ExitStatus::Exited(4)));
}

#[tokio::test]
async fn hooks_run_before_the_freeze_and_after_each_thaw() {
    let source = "import random\n\
        seen = []\n\
        random.seed(1)\n\
        def before_snapshot(): seen.append('before')\n\
        def after_restore(): seen.append('after')\n\
        def handle(event, context): return seen, random.random()\n";
    let function = loaded(python("app.handle"), "app.py", source).await;
    let first = json(&function.invoke("1").await.unwrap());
    assert_eq!(first[0], serde_json::json!(["before"]));
    let thawed = json(&function.invoke_thawed("1").await.unwrap());
    assert_eq!(thawed[0], serde_json::json!(["before", "after"]));
    let again = json(&function.invoke("1").await.unwrap());
    assert_eq!(again[0], serde_json::json!(["before", "after"]));
    // random.seed(1) draws this second; whoever was thawed must not.
    assert_eq!(first[1].as_f64().unwrap(), 0.134_364_244_112_401_22);
    assert_ne!(thawed[1].as_f64().unwrap(), 0.847_433_736_937_232_7);
    let source = "import asyncio, sys\n\
        seen = []\n\
        class Library:\n\
        \x20   def get_before_snapshot(): return [(other, ('before',), {})]\n\
        \x20   def get_after_restore(): return [(other, (), {'when': 'after'})]\n\
        async def other(when):\n\
        \x20   await asyncio.sleep(0)\n\
        \x20   seen.append('other ' + when)\n\
        sys.modules['snapshot_restore_py'] = Library\n\
        async def before_snapshot():\n\
        \x20   await asyncio.sleep(0)\n\
        \x20   seen.append('before')\n\
        async def after_restore():\n\
        \x20   await asyncio.sleep(0)\n\
        \x20   seen.append('after')\n\
        async def handle(event, context): return seen\n";
    let function = loaded(python("app.handle"), "app.py", source).await;
    let thawed = json(&function.invoke_thawed("1").await.unwrap());
    let expected = ["other before", "before", "other after", "after"];
    assert_eq!(thawed, serde_json::json!(expected));
    let source = "const seen = [];\n\
        exports.beforeSnapshot = () => { seen.push('before'); };\n\
        exports.afterRestore = async () => { seen.push('after'); };\n\
        exports.handle = () => seen;\n";
    let function = loaded(node("app.handle"), "app.js", source).await;
    assert_eq!(json(&function.invoke("1").await.unwrap())[0], "before");
    assert_eq!(
        json(&function.invoke_thawed("1").await.unwrap())[1],
        "after"
    );
}

#[tokio::test]
async fn a_failing_hook_fails_the_load() {
    let source = "def before_snapshot(): raise RuntimeError('not now')\n\
        def handle(event, context): pass\n";
    let ran = refused(python("app.handle"), "app.py", source).await;
    assert!(
        ran.err().ends_with("RuntimeError: not now\n"),
        "{}",
        ran.err()
    );
}

#[tokio::test]
async fn a_failing_hook_that_is_awaited_fails_the_load_too() {
    let source = "async def before_snapshot(): raise RuntimeError('not now')\n\
        def handle(event, context): pass\n";
    let ran = refused(python("app.handle"), "app.py", source).await;
    assert!(
        ran.err().ends_with("RuntimeError: not now\n"),
        "{}",
        ran.err()
    );
}

#[tokio::test]
async fn a_proof_touches_nothing_of_the_function() {
    let source = "import random, ssl\n\
        seen = []\n\
        random.seed(1)\n\
        def after_restore(): seen.append(random.getstate() != before)\n\
        before = random.getstate()\n\
        def handle(event, context):\n    seen.append(event)\n    return seen\n";
    let function = loaded(python("app.handle"), "app.py", source).await;
    let rehearsed = function.rehearse_thawed("{\"a\": 1}").await.unwrap();
    assert_eq!(rehearsed.outcome(), Outcome::Returned);
    assert_eq!(rehearsed.result, b"{\"a\": 1}");
    function.prove().await;
    // What is due after a thaw is still due: the hook runs, after the generator was seeded anew.
    assert_eq!(function.invoke("7").await.unwrap().result, b"[true, 7]");

    // Others would notice, so nothing comes to them.
    let source = "#!/bin/sh\necho run >&2\ncat\n";
    let function = loaded(command(&["./run"]), "run", source).await;
    let rehearsed = function.rehearse_thawed("1").await.unwrap();
    assert_eq!(rehearsed.outcome(), Outcome::Returned);
    assert_eq!(
        (rehearsed.result.as_slice(), rehearsed.log()),
        (&[][..], "")
    );
    assert_eq!(function.invoke("1").await.unwrap().log(), "run\n");
}

#[tokio::test]
async fn a_machine_without_a_function_refuses_events() {
    let function = Function::none(Host::local());
    let refused = function.invoke("1").await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::BadRequest);
}

#[tokio::test]
async fn a_server_is_loaded_once_it_listens_and_is_given_requests_as_they_are() {
    let source = "import http.server, os\n\
        class Handler(http.server.BaseHTTPRequestHandler):\n\
        \x20   def do_POST(self):\n\
        \x20       body = self.rfile.read(int(self.headers['content-length']))\n\
        \x20       self.send_response(201); self.end_headers(); self.wfile.write(body[::-1])\n\
        \x20   def log_message(self, *words): print('request', flush=True)\n\
        http.server.HTTPServer(('127.0.0.1', int(os.environ['PORT'])), Handler).serve_forever()\n";
    let function = loaded(server(free_port()), "server.py", source).await;
    for _ in 0..2 {
        let request = b"POST / HTTP/1.0\r\ncontent-length: 3\r\n\r\nabc";
        let answered = function.invoke_bytes(request).await.unwrap();
        let text = String::from_utf8(answered.result.clone()).unwrap();
        assert!(text.starts_with("HTTP/1.0 201 "), "{text}");
        assert!(text.ends_with("\r\n\r\ncba"), "{text}");
        assert_eq!(answered.log(), "request\n");
    }
    let ran = refused(server(9), "server.py", "raise SystemExit(7)\n").await;
    assert_eq!(ran.exit.status, ExitStatus::Exited(7));
}

/// A server that says which hooks it was asked for, and which requests.
const HOOKED: &str = "import http.server, os\n\
    seen = []\n\
    class Handler(http.server.BaseHTTPRequestHandler):\n\
    \x20   def do_POST(self):\n\
    \x20       body = self.rfile.read(int(self.headers['content-length']))\n\
    \x20       seen.append((self.headers['x-thaw-hook'], self.path))\n\
    \x20       if self.path == '/exit': os._exit(3)\n\
    \x20       self.send_response(500 if self.path == '/wrong' else 200); self.end_headers()\n\
    \x20       self.wfile.write(repr((seen, len(body))).encode())\n\
    \x20   def log_message(self, *words): pass\n\
    http.server.HTTPServer(('127.0.0.1', int(os.environ['PORT'])), Handler).serve_forever()\n";

fn hooked(before_snapshot: Option<&str>, after_restore: Option<&str>) -> FunctionKind {
    FunctionKind::Http {
        argv: vec!["python3".into(), "server.py".into()],
        port: free_port(),
        hooks: HttpHooks {
            before_snapshot: before_snapshot.map(Into::into),
            after_restore: after_restore.map(Into::into),
        },
    }
}

#[tokio::test]
async fn a_server_is_asked_to_put_itself_right_before_the_freeze_and_after_a_thaw() {
    let kind = hooked(Some("/close"), Some("/open?again"));
    let function = loaded(kind, "server.py", HOOKED).await;
    // More than one frame, of which the first comes while the hook is asked for.
    let mut request = b"POST /event HTTP/1.0\r\ncontent-length: 500000\r\n\r\n".to_vec();
    request.resize(request.len() + 500_000, 7);
    let before = "('before_snapshot', '/close'), ";
    let after = "('after_restore', '/open?again'), ";
    let event = "(None, '/event')";
    let thawed = function.invoke_bytes_thawed(&request).await.unwrap();
    let text = String::from_utf8_lossy(&thawed.result).into_owned();
    let expected = format!("\r\n\r\n([{before}{after}{event}], 500000)");
    assert!(text.ends_with(&expected), "{text}");
    // It was not thawed again.
    let again = function.invoke_bytes(&request).await.unwrap();
    let text = String::from_utf8_lossy(&again.result).into_owned();
    let expected = format!("([{before}{after}{event}, {event}], 500000)");
    assert!(text.ends_with(&expected), "{text}");
}

#[tokio::test]
async fn a_server_whose_hook_goes_wrong_is_not_frozen_and_gets_no_request() {
    let ran = refused(hooked(Some("/wrong"), None), "server.py", HOOKED).await;
    assert_eq!(
        ran.err(),
        "before_snapshot (POST /wrong): it answered with status 500\n"
    );
    // That it ended, or that it gave no answer: whichever is seen first.
    refused(hooked(Some("/exit"), None), "server.py", HOOKED).await;

    let request = b"POST /event HTTP/1.0\r\ncontent-length: 0\r\n\r\n";
    let function = loaded(hooked(None, Some("/wrong")), "server.py", HOOKED).await;
    let thawed = function.invoke_bytes_thawed(request).await.unwrap();
    assert_eq!(thawed.outcome(), Outcome::RestoreFailed);
    assert_eq!(
        (thawed.result.as_slice(), thawed.log()),
        (
            &[][..],
            "after_restore (POST /wrong): it answered with status 500\n"
        )
    );
    let refused = function.invoke_bytes(request).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::BadRequest);
}
