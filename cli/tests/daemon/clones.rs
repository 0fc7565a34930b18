//! What clones of a function share and what they don't: connections, and the doubt after a kill for want of memory.

use crate::support::{
    Daemon,
    function::{code, deploy, example, json},
    text,
};

#[test]
fn connections_are_opened_anew_and_a_clone_without_memory_is_not_used_again() {
    let daemon = Daemon::with_python(&[]);
    each_clone_opens_a_connection_of_its_own(&daemon);
    a_kill_for_want_of_memory_ends_the_clone_and_nothing_else(&daemon);
    a_server_puts_itself_right_in_each_clone(&daemon);
}

fn each_clone_opens_a_connection_of_its_own(daemon: &Daemon) {
    let folder = example("connection");
    let more = [
        "--handler",
        "app.handle",
        "--reuse",
        "2",
        "--concurrency",
        "1",
    ];
    let done = deploy(daemon, "talk", folder.as_ref(), &more);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let ask = || json(&daemon.says(&["fn", "invoke", "talk", "--data", "{}"]));
    // Two events in one clone, one in the next.
    let (first, second, third) = (ask(), ask(), ask());
    assert_eq!(first["at_import"], third["at_import"]);
    for answer in [&first, &third] {
        let session = answer["session"].as_str().unwrap();
        assert_eq!(session.len(), 16, "{answer}");
        assert_ne!(
            answer["session"], answer["at_import"],
            "it was not closed before the freeze"
        );
    }
    assert_eq!(first["session"], second["session"]);
    assert_ne!(
        first["session"], third["session"],
        "two clones share a connection"
    );
    daemon.says(&["fn", "rm", "talk"]);
}

fn a_server_puts_itself_right_in_each_clone(daemon: &Daemon) {
    let source = "import http.server, random\n\
        random.seed(1)\n\
        class Handler(http.server.BaseHTTPRequestHandler):\n\
        \x20   def do_GET(self):\n\
        \x20       self.answer(f'{self.headers[\"x-thaw-hook\"]} {random.getrandbits(64)}')\n\
        \x20   def do_POST(self):\n\
        \x20       if self.headers['x-thaw-hook'] != 'after_restore': return self.send_error(403)\n\
        \x20       random.seed()\n\
        \x20       self.answer('')\n\
        \x20   def answer(self, text):\n\
        \x20       self.send_response(200); self.end_headers(); self.wfile.write(text.encode())\n\
        http.server.HTTPServer(('127.0.0.1', 8080), Handler).serve_forever()\n";
    let folder = code("server.py", source);
    let server = ["--port", "8080", "--", "python3", "server.py"];
    let mut more = vec!["--before-snapshot", "/refused"];
    more.extend(server);
    let done = deploy(daemon, "hooked", folder.path(), &more);
    let told = text(&done.stderr);
    assert_eq!(done.status.code(), Some(125), "{told}");
    assert!(
        told.contains("before_snapshot (POST /refused): it answered with status 403"),
        "{told}"
    );
    let mut more = vec!["--after-restore", "/seed"];
    more.extend(server);
    let done = deploy(daemon, "hooked", folder.path(), &more);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let draw = || {
        let (status, body) = daemon.http("GET", "/v1/functions/hooked/http/", 0, b"");
        assert_eq!(status, 200, "{body}");
        assert!(body.starts_with("None "), "{body}");
        body
    };
    assert_ne!(draw(), draw(), "two clones drew the same");
    let (status, body) = daemon.http("POST", "/v1/functions/hooked/http/seed", 0, b"");
    assert_eq!(status, 403, "{body}");
    daemon.says(&["fn", "rm", "hooked"]);
}

fn a_kill_for_want_of_memory_ends_the_clone_and_nothing_else(daemon: &Daemon) {
    let source = "import subprocess, sys\n\
        calls = 0\n\
        def handle(event, context):\n\
        \x20   global calls; calls += 1\n\
        \x20   held = []\n\
        \x20   if event == 'child':\n\
        \x20       eat = 'held = []\\nwhile True: held.append(b\"x\" * (1 << 20))'\n\
        \x20       return subprocess.run([sys.executable, '-c', eat]).returncode\n\
        \x20   while event == 'all': held.append(b'x' * (1 << 20))\n\
        \x20   return calls\n";
    let folder = code("app.py", source);
    for (name, reuse) in [("kept", "100"), ("fresh", "1")] {
        let more = ["--handler", "app.handle", "--reuse", reuse];
        let done = deploy(daemon, name, folder.path(), &more);
        assert!(done.status.success(), "{}", text(&done.stderr));
        let invoke = |data: &str| daemon.thaw(&["fn", "invoke", name, "--data", data]);
        assert_eq!(text(&invoke("1").stdout), "1\n");
        let killed = invoke("\"all\"");
        assert_eq!(killed.status.code(), Some(1), "{}", text(&killed.stderr));
        let error = json(&text(&killed.stdout));
        assert_eq!(error["errorType"], "Runtime.OutOfMemory", "{error}");
        let message = error["errorMessage"].as_str().unwrap();
        assert!(
            message.ends_with("out of memory: 256 MiB were not enough"),
            "{error}"
        );
        // A fresh clone: the one that was killed would have counted on, if it could.
        assert_eq!(text(&invoke("1").stdout), "1\n");
        // It answers well when only what it has started is killed; its clone is in doubt all the same.
        let answered = invoke("\"child\"");
        let told = text(&answered.stderr);
        assert_eq!(text(&answered.stdout), "-9\n", "{told}");
        assert_eq!(text(&invoke("1").stdout), "1\n");
        let errors = daemon.says(&["fn", "logs", name, "--errors"]);
        assert!(errors.contains("out of memory"), "{errors}");
        daemon.says(&["fn", "rm", name]);
    }
}
