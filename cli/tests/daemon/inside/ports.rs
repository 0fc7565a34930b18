//! HTTP to a port of a machine that has no network.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Shutdown, TcpStream},
    process::Stdio,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use thaw_api_types::{
    ChangeVmRequest, VmState,
    client::{Content, WriteFile},
};

use tokio_tungstenite::{connect_async, tungstenite::Message};

use super::world::{Answer, VM, World, pattern, refused};

const PORT: u16 = 8080;

#[test]
fn http_reaches_a_port_of_a_machine_and_comes_back() {
    let world = World::new();
    nothing_listens(&world);
    serve(&world, "127.0.0.1", PORT);
    serve(&world, "::1", 8081);
    a_request_arrives_as_it_was_sent(&world);
    a_server_on_either_loopback_is_found(&world);
    redirects_lead_back_and_cookies_stay_there(&world);
    both_bodies_are_streamed(&world);
    large_bodies_arrive_whole(&world);
    an_upgraded_connection_carries_bytes_both_ways(&world);
    a_websocket_s_messages_go_both_ways(&world);
    who_hangs_up_closes_the_connection_in_the_machine(&world);
    what_is_no_http_is_told(&world);
    a_port_is_forwarded_for_any_protocol(&world);
    a_sleeping_machine_is_woken(&world);
}

fn path(port: u16, rest: &str) -> String {
    format!("/v1/vms/{VM}/ports/{port}{rest}")
}

fn get(world: &World, port: u16, rest: &str) -> Answer {
    world.raw(&format!("GET {} HTTP/1.1", path(port, rest)), b"")
}

fn json(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{answer:?}"))
}

/// Starts the server in the machine and waits until it is there.
fn serve(world: &World, address: &str, port: u16) {
    let script = Bytes::from_static(include_bytes!("server.py"));
    let length = Some(script.len() as u64);
    let content = Content::new(futures::stream::iter([Ok(script)]), length);
    let how = WriteFile::default();
    let written = world.client.write_file(VM, b"/tmp/server.py", how, content);
    world.wait(written).unwrap();
    let line = format!("python3 /tmp/server.py {address} {port} >/tmp/server.log 2>&1 &");
    assert_eq!(world.shell(&line), "");
    let begin = Instant::now();
    while get(world, port, "/").status != 201 {
        assert!(
            begin.elapsed() < Duration::from_secs(60),
            "{}",
            world.shell("cat /tmp/server.log")
        );
    }
}

fn nothing_listens(world: &World) {
    let refused = get(world, 9, "/");
    assert_eq!(refused.status, 502);
    assert_eq!(json(&refused)["error"]["code"], "port_refused");
    let message = json(&refused)["error"]["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(message.contains("port 9"), "{message}");
    for port in ["0", "70000", "x"] {
        let head = format!("GET /v1/vms/{VM}/ports/{port}/ HTTP/1.1");
        assert_eq!(world.raw(&head, b"").status, 422, "{port}");
    }
    let head = "GET /v1/vms/no-such-vm/ports/80/ HTTP/1.1";
    assert_eq!(world.raw(head, b"").status, 404);
}

fn a_request_arrives_as_it_was_sent(world: &World) {
    for method in [
        "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND",
    ] {
        let head = format!(
            "{method} {} HTTP/1.1\r\nX-Mine: 1\r\nCookie: secret=1\r\nAuthorization: Basic eA==\r\nContent-Length: 5",
            path(PORT, "/a%2Fb/../c?d=%26&e")
        );
        let answer = world.raw(&head, b"hello");
        assert_eq!(answer.status, 201, "{answer:?}");
        let seen = json(&answer);
        assert_eq!(seen["method"], method);
        assert_eq!(seen["path"], "/a%2Fb/../c?d=%26&e");
        assert_eq!(seen["text"], "hello");
        let headers = seen["headers"].as_object().unwrap();
        assert_eq!(headers["x-mine"], "1");
        assert_eq!(headers["host"], "localhost:8080");
        assert!(!headers.contains_key("cookie") && !headers.contains_key("authorization"));
    }
    let head = world.raw(&format!("HEAD {} HTTP/1.1", path(PORT, "/")), b"");
    assert_eq!((head.status, head.body.len()), (201, 0));
}

fn a_server_on_either_loopback_is_found(world: &World) {
    assert_eq!(json(&get(world, 8081, "/six"))["path"], "/six");
}

fn redirects_lead_back_and_cookies_stay_there(world: &World) {
    let answer = get(world, PORT, "/redirect");
    assert_eq!(answer.status, 302);
    let location = format!("location: {}", path(PORT, "/target"));
    assert!(answer.has(&location), "{}", answer.head);
    assert!(!answer.head.to_ascii_lowercase().contains("set-cookie"));
    assert!(answer.head.contains("sandbox"), "{}", answer.head);
    let away = get(world, PORT, "/away");
    assert!(away.has("location: http://example.org/"), "{}", away.head);
}

/// Reads until what came holds this.
fn until(stream: &mut TcpStream, seen: &mut Vec<u8>, wanted: &[u8]) {
    let mut buffer = [0; 4096];
    while !seen.windows(wanted.len()).any(|window| window == wanted) {
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0, "{:?}", String::from_utf8_lossy(seen));
        seen.extend_from_slice(&buffer[..read]);
    }
}

fn begin(world: &World, head: &str) -> TcpStream {
    let mut stream = world.connect();
    write!(stream, "{head}\r\nHost: localhost\r\n\r\n").unwrap();
    stream
}

fn both_bodies_are_streamed(world: &World) {
    let head = format!(
        "POST {} HTTP/1.1\r\nTransfer-Encoding: chunked",
        path(PORT, "/mirror")
    );
    let mut stream = begin(world, &head);
    let mut seen = Vec::new();
    // The next piece is sent only when the last one has come back.
    for piece in ["first", "second", "third"] {
        write!(stream, "{:x}\r\n{piece}\r\n", piece.len()).unwrap();
        until(&mut stream, &mut seen, piece.as_bytes());
    }
    stream.write_all(b"0\r\n\r\n").unwrap();
    until(&mut stream, &mut seen, b"\r\n0\r\n\r\n");
}

fn large_bodies_arrive_whole(world: &World) {
    let sent = pattern(5 << 20);
    let head = format!(
        "POST {} HTTP/1.1\r\nContent-Length: {}",
        path(PORT, "/count"),
        sent.len()
    );
    assert_eq!(json(&world.raw(&head, &sent))["length"], sent.len());
    let head = format!(
        "POST {} HTTP/1.0\r\nContent-Length: {}",
        path(PORT, "/mirror"),
        sent.len()
    );
    let back = world.raw(&head, &sent);
    assert!(back.body == sent, "{} bytes came back", back.body.len());
}

fn an_upgraded_connection_carries_bytes_both_ways(world: &World) {
    let head = format!(
        "GET {} HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: upper\r\nSec-WebSocket-Protocol: bandsox.auth.eA",
        path(PORT, "/upper")
    );
    let mut stream = begin(world, &head);
    let mut seen = Vec::new();
    until(&mut stream, &mut seen, b"\r\n\r\n");
    let text = String::from_utf8_lossy(&seen).to_ascii_lowercase();
    assert!(text.starts_with("http/1.1 101 "), "{text}");
    assert!(text.contains("upgrade: upper"), "{text}");
    for word in ["one", "two"] {
        stream.write_all(word.as_bytes()).unwrap();
        until(&mut stream, &mut seen, word.to_uppercase().as_bytes());
    }
    stream.shutdown(Shutdown::Write).unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"");
}

fn a_websocket_s_messages_go_both_ways(world: &World) {
    let address = world.daemon.server().replace("http://", "ws://");
    let long = "x".repeat(3000);
    world.wait(async {
        let connected = connect_async(format!("{address}{}", path(PORT, "/ws"))).await;
        let (mut socket, answer) = connected.unwrap();
        assert_eq!(answer.status(), 101);
        for word in ["one", &long] {
            socket.send(Message::text(word)).await.unwrap();
            let back = socket.next().await.unwrap().unwrap();
            assert_eq!(back, Message::text(word.to_uppercase()));
        }
        socket.close(None).await.unwrap();
        assert!(matches!(socket.next().await, Some(Ok(Message::Close(_)))));
        assert!(socket.next().await.is_none());
    });
}

fn who_hangs_up_closes_the_connection_in_the_machine(world: &World) {
    let head = format!("GET {} HTTP/1.1", path(PORT, "/wait"));
    let stream = begin(world, &head);
    world.shell_says("ls /tmp/arrived 2>/dev/null", "/tmp/arrived\n");
    drop(stream);
    world.shell_says("ls /tmp/left 2>/dev/null", "/tmp/left\n");
}

fn what_is_no_http_is_told(world: &World) {
    let closed = get(world, PORT, "/close");
    assert_eq!(closed.status, 502);
    assert_eq!(json(&closed)["error"]["code"], "port_no_answer");
}

fn a_port_is_forwarded_for_any_protocol(world: &World) {
    let mut command = world.daemon.command(&["vm", "forward", VM, "0:8080"]);
    let mut forward = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    let mut out = BufReader::new(forward.stdout.take().unwrap());
    out.read_line(&mut said).unwrap();
    let address = said.split(' ').next().unwrap();
    // Half-closed by the client, and answered after that.
    let mut stream = TcpStream::connect(address).unwrap();
    let sent = pattern(2 << 20);
    let head = format!(
        "POST /mirror HTTP/1.1\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        sent.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut sender = stream.try_clone().unwrap();
    let body = sent.clone();
    let sending = std::thread::spawn(move || {
        sender.write_all(&body).unwrap();
        sender.shutdown(Shutdown::Write).unwrap();
    });
    let mut seen = Vec::new();
    stream.read_to_end(&mut seen).unwrap();
    sending.join().unwrap();
    assert!(
        seen.starts_with(b"HTTP/1.1 200 ") && seen.len() > sent.len(),
        "{}",
        seen.len()
    );
    // It goes on taking connections, several at once.
    let mut streams: Vec<_> = (0..3)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    for stream in &mut streams {
        stream.write_all(b"GET /one HTTP/1.0\r\n\r\n").unwrap();
        let mut seen = String::new();
        stream.read_to_string(&mut seen).unwrap();
        assert!(seen.contains("/one"), "{seen}");
    }
    kill(Pid::from_raw(forward.id() as i32), Signal::SIGTERM).unwrap();
    assert!(forward.wait().unwrap().success());
    assert_eq!(
        refused(world.wait(world.client.tunnel(VM, 9)).map(drop)),
        "port_refused"
    );
}

fn a_sleeping_machine_is_woken(world: &World) {
    let idle = |seconds| ChangeVmRequest {
        idle_timeout_s: Some(seconds),
        ..ChangeVmRequest::default()
    };
    world.wait(world.client.change_vm(VM, &idle(1))).unwrap();
    let begin = Instant::now();
    while world.wait(world.client.vm(VM)).unwrap().state != VmState::Paused {
        assert!(
            begin.elapsed() < Duration::from_secs(60),
            "it does not sleep"
        );
    }
    assert_eq!(json(&get(world, PORT, "/awake"))["path"], "/awake");
    world.wait(world.client.change_vm(VM, &idle(0))).unwrap();
}
