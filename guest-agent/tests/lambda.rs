//! Functions of kind lambda: programs that speak the Runtime API to the agent.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use serde_json::{Value, json};
use support::{
    function::{Answered, Function, files},
    host::Outcome as Ran,
};
use thaw_guest_protocol::{ExitStatus, FunctionKind, Outcome};

/// What every runtime below begins with.
const PROLOGUE: &str = "import http.client, json, os, sys\n\
    api = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])\n\
    def call(method, path, body=None, **headers):\n\
    \x20   headers = {name.replace('_', '-'): value for name, value in headers.items()}\n\
    \x20   api.request(method, path if path[0] == '/' else '/2018-06-01/runtime/' + path, body, headers)\n\
    \x20   answer = api.getresponse()\n\
    \x20   return answer.status, answer.headers, answer.read()\n\
    def event():\n\
    \x20   status, headers, body = call('GET', 'invocation/next')\n\
    \x20   assert status == 200, status\n\
    \x20   return 'invocation/' + headers['Lambda-Runtime-Aws-Request-Id'], headers, body\n\
    def answer(at, value):\n\
    \x20   status, _, body = call('POST', at + '/response', json.dumps(value), content_type='application/json')\n\
    \x20   assert (status, json.loads(body)) == (202, {'status': 'OK'}), (status, body)\n";

async fn load(runtime: &str) -> (Function, Ran) {
    let kind = FunctionKind::Lambda {
        argv: vec!["python3".into(), "runtime.py".into()],
        handler: Some("app.handle".into()),
    };
    let source = format!("{PROLOGUE}{runtime}");
    let (function, ran) = Function::load(kind, &files(&[("runtime.py", &source)])).await;
    (function, ran.unwrap())
}

async fn loaded(runtime: &str) -> Function {
    let (function, ran) = load(runtime).await;
    assert_eq!(ran.exit.status, ExitStatus::Exited(0), "{}", ran.err());
    function
}

fn value(answered: &Answered) -> Value {
    serde_json::from_slice(&answered.result).unwrap_or_else(|error| panic!("{error}: {answered:?}"))
}

#[tokio::test]
async fn a_runtime_is_told_of_its_events_what_aws_tells() {
    let function = loaded(
        "import time\n\
        env = {k: os.environ.get(k) for k in ('_HANDLER', 'AWS_LAMBDA_INITIALIZATION_TYPE', \
        'AWS_LAMBDA_FUNCTION_NAME', 'AWS_LAMBDA_FUNCTION_MEMORY_SIZE')}\n\
        assert os.environ['LAMBDA_TASK_ROOT'] == os.getcwd()\n\
        calls = 0\n\
        while True:\n\
        \x20   at, headers, body = event()\n\
        \x20   calls += 1\n\
        \x20   print('call', calls, flush=True)\n\
        \x20   left = int(headers['Lambda-Runtime-Deadline-Ms']) - time.time() * 1000\n\
        \x20   answer(at, [json.loads(body), calls, env, at, 50000 < left <= 60000, headers['Content-Type'], \
        headers['Lambda-Runtime-Invoked-Function-Arn'].split(':')[-1]])\n",
    )
    .await;
    for call in 1..=3 {
        let answered = function.invoke(r#"{"a": "ü"}"#).await.unwrap();
        assert_eq!(answered.outcome(), Outcome::Returned, "{answered:?}");
        let env = json!({
            "_HANDLER": "app.handle", "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start",
            "AWS_LAMBDA_FUNCTION_NAME": "f", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        });
        let expected = json!([
            {"a": "ü"}, call, env, "invocation/r-1", true, "application/json", "f"
        ]);
        assert_eq!(value(&answered), expected);
        assert_eq!(answered.content_type.as_deref(), Some("application/json"));
        assert_eq!(answered.log(), format!("call {call}\n"));
    }
    // Who sends nothing has sent an empty object.
    assert_eq!(value(&function.invoke("").await.unwrap())[0], json!({}));
}

#[tokio::test]
async fn an_error_that_is_reported_is_the_functions_and_does_not_end_it() {
    let function = loaded(
        "while True:\n\
        \x20   at, _, body = event()\n\
        \x20   if body == b'1':\n\
        \x20       error = {'errorMessage': 'no', 'errorType': 'Odd', 'stackTrace': ['here']}\n\
        \x20       assert call('POST', at + '/error', json.dumps(error))[0] == 202\n\
        \x20   elif body == b'2':\n\
        \x20       call('POST', at + '/error', b'not JSON', Lambda_Runtime_Function_Error_Type='Runtime.Strange')\n\
        \x20   else:\n\
        \x20       answer(at, 'fine')\n",
    )
    .await;
    let raised = function.invoke("1").await.unwrap();
    assert_eq!(raised.outcome(), Outcome::Raised);
    let expected = json!({"errorMessage": "no", "errorType": "Odd", "stackTrace": ["here"]});
    assert_eq!(value(&raised), expected);
    let strange = function.invoke("2").await.unwrap();
    let expected =
        json!({"errorMessage": "not JSON", "errorType": "Runtime.Strange", "stackTrace": []});
    assert_eq!(value(&strange), expected);
    assert_eq!(value(&function.invoke("3").await.unwrap()), "fine");
}

#[tokio::test]
async fn a_runtime_that_knows_hooks_hears_of_its_thaw_before_its_first_event() {
    let function = loaded(
        "status, _, body = call('GET', 'restore/next')\n\
        told = [status, body.decode()]\n\
        while True:\n\
        \x20   answer(event()[0], told)\n",
    )
    .await;
    let thawed = function.invoke_thawed("1").await.unwrap();
    assert_eq!(value(&thawed), json!([200, ""]));
    assert_eq!(
        value(&function.invoke("2").await.unwrap()),
        json!([200, ""])
    );
}

#[tokio::test]
async fn a_hook_that_fails_after_the_thaw_is_told_and_ends_the_function() {
    let function = loaded(
        "call('GET', 'restore/next')\n\
        error = json.dumps({'errorMessage': 'no network', 'errorType': 'OSError', 'stackTrace': []})\n\
        assert call('POST', 'restore/error', error)[0] == 202\n\
        sys.exit(65)\n",
    )
    .await;
    let failed = function.invoke_thawed("1").await.unwrap();
    assert_eq!(failed.outcome(), Outcome::RestoreFailed);
    assert_eq!(value(&failed)["errorMessage"], "no network");
    function.invoke("2").await.unwrap_err();
}

#[tokio::test]
async fn what_cannot_be_initialised_says_why() {
    let (_, ran) = load(
        "print('importing', flush=True)\n\
        error = json.dumps({'errorMessage': 'no module', 'errorType': 'Runtime.Import', 'stackTrace': []})\n\
        assert call('POST', 'init/error', error)[0] == 202\n\
        sys.exit(1)\n",
    )
    .await;
    assert_eq!(ran.exit.status, ExitStatus::Exited(1));
    assert_eq!(
        (ran.out(), ran.err()),
        ("importing\n", "Runtime.Import: no module\n")
    );
    let (_, ran) = load("sys.exit('nothing to do')\n").await;
    assert_eq!(ran.exit.status, ExitStatus::Exited(1));
    assert_eq!(ran.err(), "nothing to do\n");
    let (_, ran) = load("sys.stdin.read()\nimport time\ntime.sleep(1000)\n").await;
    assert!(ran.exit.timed_out);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_as_aws_does() {
    let function = loaded(
        "early = call('POST', 'invocation/r-1/response', '1')[0]\n\
        at, _, _ = event()\n\
        wrong = [\n\
        \x20   early,\n\
        \x20   call('GET', '/2020-01-01/extension/event/next')[0],\n\
        \x20   call('DELETE', 'invocation/next')[0],\n\
        \x20   call('POST', 'invocation/other/response', '1')[0],\n\
        \x20   call('GET', 'invocation/next')[0],\n\
        \x20   call('POST', 'init/error', '{}')[0],\n\
        ]\n\
        answer(at, wrong)\n\
        event()\n",
    )
    .await;
    let answered = function.invoke("1").await.unwrap();
    assert_eq!(value(&answered), json!([403, 404, 405, 400, 403, 403]));
}

#[tokio::test]
async fn large_bodies_come_whole_and_larger_ones_are_refused() {
    let source = "while True:\n\
        \x20   at, headers, body = event()\n\
        \x20   assert headers['Content-Type'] == 'application/octet-stream'\n\
        \x20   if body == b'large': print(call('POST', at + '/response', 'x' * 3000000)[0], flush=True)\n\
        \x20   else: call('POST', at + '/response', iter([body[:700000], body[700000:]]), content_type='text/odd')\n";
    let function = loaded(source).await;
    let event: Vec<u8> = (0..1_500_000_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let answered = function.invoke_bytes(&event).await.unwrap();
    assert_eq!(answered.outcome(), Outcome::Returned);
    assert!(answered.result == event);
    assert_eq!(answered.content_type.as_deref(), Some("text/odd"));
    let large = function.invoke_bytes(b"large").await.unwrap();
    assert_eq!(large.outcome(), Outcome::ResultTooLarge);
    function.invoke("1").await.unwrap_err();
}

#[tokio::test]
async fn one_that_was_cut_off_serves_no_other_event() {
    let source = "import time\n\
        at, _, body = event()\n\
        print('begun', flush=True)\n\
        if body == b'1': os._exit(3)\n\
        time.sleep(1000)\n";
    for (event, expected) in [
        ("1", Outcome::Ended(ExitStatus::Exited(3))),
        ("2", Outcome::TimedOut),
    ] {
        let function = loaded(source).await;
        let answered = function.invoke_for(event, 2000).await.unwrap();
        assert_eq!(answered.outcome(), expected);
        assert_eq!(answered.log(), "begun\n");
        function.invoke("3").await.unwrap_err();
    }
}

#[tokio::test]
async fn a_result_that_breaks_off_is_an_error() {
    let function = loaded(
        "import socket\n\
        at, _, _ = event()\n\
        host, port = os.environ['AWS_LAMBDA_RUNTIME_API'].split(':')\n\
        line = socket.create_connection((host, int(port)))\n\
        line.sendall(('POST /2018-06-01/runtime/%s/response HTTP/1.1\\r\\nhost: x\\r\\n' % at\n\
        \x20   + 'lambda-runtime-function-response-mode: streaming\\r\\ntransfer-encoding: chunked\\r\\n'\n\
        \x20   + 'trailer: Lambda-Runtime-Function-Error-Type\\r\\n\\r\\n4\\r\\nhalf\\r\\n0\\r\\n'\n\
        \x20   + 'Lambda-Runtime-Function-Error-Type: Handler.Gone\\r\\n\\r\\n').encode())\n\
        assert b' 202 ' in line.recv(1000)\n\
        event()\n",
    )
    .await;
    let answered = function.invoke("1").await.unwrap();
    assert_eq!(answered.outcome(), Outcome::Raised, "{answered:?}");
    assert_eq!(value(&answered)["errorType"], "Handler.Gone");
}

#[tokio::test]
async fn a_streaming_response_is_seen_before_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let seen = folder.path().join("seen");
    let path = seen.to_str().unwrap();
    let function = loaded(&format!(
        "import time\n\
        def pieces():\n\
        \x20   yield b'first '\n\
        \x20   while not os.path.exists('{path}'): time.sleep(0.01)\n\
        \x20   yield b'then'\n\
        while True:\n\
        \x20   at, _, _ = event()\n\
        \x20   status, _, _ = call('POST', at + '/response', pieces(), content_type='text/plain', \
        Lambda_Runtime_Function_Response_Mode='streaming')\n\
        \x20   assert status == 202, status\n"
    ))
    .await;
    for _ in 0..2 {
        let mut pieces = Vec::new();
        let mut see = |piece: &[u8]| {
            pieces.push(piece.to_vec());
            std::fs::write(&seen, "").unwrap();
        };
        let answered = function.invoke_in_pieces("1", &mut see).await.unwrap();
        assert_eq!(answered.outcome(), Outcome::Returned, "{answered:?}");
        assert_eq!(pieces, [b"first ".to_vec(), b"then".to_vec()]);
        assert_eq!(answered.content_type.as_deref(), Some("text/plain"));
        std::fs::remove_file(&seen).unwrap();
    }
    std::fs::write(&seen, "").unwrap();
    let whole = function.invoke("1").await.unwrap();
    assert_eq!(whole.result, b"first then");
}
