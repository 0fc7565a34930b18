//! What BandSox's surface refuses, and how it says so.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{World, tiny};

/// An answer's status, `Allow` and body.
async fn ask(
    world: &World,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> (u16, Option<String>, Value) {
    let request = reqwest::Client::new().request(method, format!("{}{path}", world.server));
    let request = match body {
        Some(body) => request.json(&body),
        None => request,
    };
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let allow = answer.headers().get("allow");
    let allow = allow.map(|value| value.to_str().unwrap().to_owned());
    let text = answer.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    (status, allow, body)
}

async fn post(world: &World, path: &str, body: Value) -> (u16, Value) {
    let (status, _, body) = ask(world, Method::POST, path, Some(body)).await;
    (status, body)
}

/// The words of an error, after checking that it has the shape of this surface.
fn words(body: &Value) -> String {
    match &body["detail"] {
        Value::String(text) => text.clone(),
        Value::Array(problems) => {
            for problem in problems {
                assert!(problem["type"].is_string() && problem["msg"].is_string());
                assert!(["body", "query", "path"].contains(&problem["loc"][0].as_str().unwrap()));
            }
            problems[0]["msg"].as_str().unwrap().to_owned()
        }
        _ => panic!("{body}"),
    }
}

/// Sends a head and what of the body the server takes; returns the whole answer.
async fn raw(world: &World, head: &str, piece: &[u8], pieces: usize) -> String {
    let address = world.server.trim_start_matches("http://");
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let head = format!("{head}\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    writer.write_all(head.as_bytes()).await.unwrap();
    let sending = async {
        for _ in 0..pieces {
            if writer.write_all(piece).await.is_err() {
                return;
            }
        }
    };
    let mut answer = Vec::new();
    let reading = async {
        // A server that closes on a body that it does not take may reset the connection behind its answer.
        let _ = reader.read_to_end(&mut answer).await;
    };
    tokio::join!(sending, reading);
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn bodies_that_are_too_large_are_refused_and_not_held() {
    let world = World::new().await;
    let made = world.client.create_vm(&tiny("web")).await.unwrap();
    let chunk = [&b"10000\r\n"[..], &vec![b' '; 0x10000], b"\r\n"].concat();
    for path in ["/api/auth/login", "/v1/login"] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked"
        );
        let answer = raw(&world, &head, &chunk, 100_000).await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{path}: {answer}");
    }
    for path in ["/api/vms", "/api/auth/keys"] {
        let head = format!("POST {path} HTTP/1.1\r\nContent-Length: 20000000");
        let answer = raw(&world, &head, b"", 0).await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{path}: {answer}");
        assert!(answer.contains("{\"detail\":"), "{answer}");
    }
    for verb in ["write-file", "append-file"] {
        let head = format!(
            "POST /api/vms/{}/{verb} HTTP/1.1\r\nContent-Length: 400000000",
            made.id
        );
        let answer = raw(&world, &head, b"", 0).await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{verb}: {answer}");
        assert!(
            answer.contains("File content exceeds 268435456 byte limit"),
            "{answer}"
        );
    }
    world.close().await;
}

#[tokio::test]
async fn a_vm_is_found_by_exactly_its_id_and_by_nothing_else() {
    let world = World::new().await;
    let made = world.client.create_vm(&tiny("web")).await.unwrap();
    for text in ["vm-", "web", &made.id[..made.id.len() - 1]] {
        let path = format!("/api/vms/{text}");
        let deleted = ask(&world, Method::DELETE, &path, None).await;
        assert_eq!((deleted.0, deleted.2), (200, json!({"status": "deleted"})));
        for (method, verb, body) in [
            (Method::GET, "", None),
            (Method::POST, "/stop", None),
            (Method::POST, "/pause", None),
            (Method::POST, "/resume", None),
            (Method::PUT, "/name", Some(json!({"name": "x"}))),
            (Method::PUT, "/metadata", Some(json!({"metadata": {}}))),
            (Method::POST, "/snapshot", Some(json!({"name": "x"}))),
            (Method::POST, "/exec", Some(json!({"command": "true"}))),
            (Method::POST, "/exec-python", Some(json!({"code": "1"}))),
            (Method::GET, "/files", None),
            (Method::GET, "/read-file?path=/x", None),
            (Method::GET, "/download?path=/x", None),
            (Method::GET, "/file-info?path=/x", None),
            (Method::POST, "/http", Some(json!({"port": 80}))),
            (
                Method::POST,
                "/write-file",
                Some(json!({"path": "/x", "content": "x"})),
            ),
        ] {
            let path = format!("{path}{verb}");
            let (status, _, body) = ask(&world, method, &path, body).await;
            assert_eq!(status, 404, "{path}: {body}");
            assert!(words(&body).starts_with("VM not found"), "{path}: {body}");
        }
    }
    let vm = world.client.vm("web").await.unwrap();
    assert_eq!((vm.id, vm.state), (made.id, made.state));
    world.close().await;
}

#[tokio::test]
async fn names_variables_and_paths_that_cant_be_are_refused_before_anything_is_made() {
    let world = World::new().await;
    let made = world.client.create_vm(&tiny("web")).await.unwrap();
    let vm = format!("/api/vms/{}", made.id);
    let create = |field: &str, value: Value| {
        let mut body = json!({"image": "tiny"});
        body[field] = value;
        ("/api/vms".to_owned(), body)
    };
    let long = "x".repeat(1 << 20);
    let mut requests = vec![
        create("env_vars", json!({"": "x"})),
        create("env_vars", json!({"A=B": "x"})),
        create("env_vars", json!({"A": "x\0"})),
        create("env_vars", json!({"A\0": "x"})),
        create("env_vars", json!({"A": "x".repeat(70_000)})),
        create("mcp", json!({"github": {"token": "x\0"}})),
        create("metadata", json!({"bandsox.mcp": {}})),
        (format!("{vm}/exec"), json!({"command": "a\0b"})),
        (
            format!("{vm}/write-file"),
            json!({"path": "/a\0b", "content": ""}),
        ),
        (
            format!("{vm}/write-file"),
            json!({"path": long, "content": ""}),
        ),
    ];
    for name in ["", "a\nb", "a\0b", &long] {
        requests.push(create("name", json!(name)));
        requests.push(("/api/auth/keys".to_owned(), json!({"name": name})));
        requests.push((format!("{vm}/snapshot"), json!({"name": name})));
    }
    for (path, body) in requests {
        let (status, answer) = post(&world, &path, body).await;
        assert_eq!(status, 422, "{path}: {answer}");
        words(&answer);
    }
    assert_eq!(world.client.vm("web").await.unwrap().id, made.id);
    world.close().await;
}

#[tokio::test]
async fn a_vm_whose_servers_cant_be_written_is_not_there_and_its_name_is_free() {
    let world = World::new().await;
    // Fake guests have no files.
    let body = json!({"image": "tiny", "name": "web", "mcp": {"fetch": {}}});
    let (status, answer) = post(&world, "/api/vms", body).await;
    assert!(status >= 400, "{answer}");
    words(&answer);
    let (_, _, vms) = ask(&world, Method::GET, "/api/vms", None).await;
    assert_eq!(vms, json!([]));
    world.client.create_vm(&tiny("web")).await.unwrap();
    world.close().await;
}

#[tokio::test]
async fn every_refusal_has_the_shape_of_this_surface() {
    let world = World::new().await;
    let made = world.client.create_vm(&tiny("web")).await.unwrap();
    let vm = format!("/api/vms/{}", made.id);
    let not_allowed = json!({"detail": "Method Not Allowed"});
    // As on BandSox's server HEAD is not known, so it is not listed either.
    for (method, path, allowed) in [
        (Method::PATCH, "/api/vms", "GET, POST"),
        (Method::HEAD, "/api/vms", "GET, POST"),
        (Method::HEAD, "/api/auth/check", "GET"),
        (Method::GET, "/api/auth/login", "POST"),
    ] {
        let (status, allow, body) = ask(&world, method.clone(), path, None).await;
        assert_eq!(status, 405, "{method} {path}");
        assert_eq!(allow.as_deref(), Some(allowed), "{method} {path}");
        if method != Method::HEAD {
            assert_eq!(body, not_allowed);
        }
    }
    let not_found = json!({"detail": "Not Found"});
    for path in [
        "/api/nothing",
        &format!("{vm}/terminal"),
        &format!("{vm}/exec-stream"),
    ] {
        let (status, _, body) = ask(&world, Method::GET, path, None).await;
        assert_eq!((status, body), (404, not_found.clone()), "{path}");
    }
    for (method, path) in [
        (Method::GET, "/api/vms/%ff%fe".to_owned()),
        (Method::POST, format!("{vm}/upload")),
        (Method::POST, "/api/vms/from-dockerfile".to_owned()),
        (Method::GET, "/api/vms?limit=many".to_owned()),
        (Method::GET, format!("{vm}/read-file")),
        (Method::POST, format!("{vm}/exec")),
    ] {
        let (status, _, body) = ask(&world, method, &path, None).await;
        assert_eq!(status, 422, "{path}: {body}");
        assert!(body["detail"].is_array(), "{path}: {body}");
        words(&body);
    }
    let foreign = reqwest::Client::new().get(format!("{}/api/vms", world.server));
    let foreign = foreign.header("origin", "http://evil.example");
    let foreign = foreign.send().await.unwrap();
    assert_eq!(foreign.status(), 403);
    words(&foreign.json().await.unwrap());
    world.close().await;
}

#[tokio::test]
async fn a_path_that_ends_with_a_slash_leads_to_the_one_without() {
    let world = World::new().await;
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    let client = client.build().unwrap();
    for (path, to) in [
        ("/api/vms/", Some("/api/vms")),
        ("/api/vms/x/exec//?a=/", Some("/api/vms/x/exec?a=/")),
        ("/api/", None),
        ("/api//", None),
        ("/api/nothing", None),
    ] {
        let answer = client.post(format!("{}{path}", world.server)).send().await;
        let answer = answer.unwrap();
        let location = answer.headers().get("location");
        assert_eq!(location.map(|to| to.to_str().unwrap()), to, "{path}");
        assert_eq!(answer.status(), if to.is_some() { 307 } else { 404 });
    }
    let body = json!({"image": "tiny", "name": "web"});
    let (status, made) = post(&world, "/api/vms/", body).await;
    assert_eq!(status, 200, "{made}");
    world.close().await;
}

#[tokio::test]
async fn an_upload_may_name_its_path_behind_the_file() {
    let world = World::new().await;
    let made = world.client.create_vm(&tiny("web")).await.unwrap();
    let send = |parts: &[(&str, &str)]| {
        let mut body = String::new();
        for (name, value) in parts {
            body += &format!(
                "--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            );
        }
        body += "--b--\r\n";
        let request = reqwest::Client::new()
            .post(format!("{}/api/vms/{}/upload", world.server, made.id))
            .header("content-type", "multipart/form-data; boundary=b")
            .body(body);
        async move {
            let answer = request.send().await.unwrap();
            let status = answer.status().as_u16();
            (status, words(&answer.json().await.unwrap()))
        }
    };
    for parts in [
        [("remote_path", "/x"), ("file", "data")],
        [("file", "data"), ("remote_path", "/x")],
        [("file", ""), ("remote_path", "/x")],
    ] {
        // It gets as far as the guest, which has no files.
        let (status, words) = send(&parts).await;
        assert_eq!(status, 500, "{words}");
        assert!(words.starts_with("Agent error: "), "{words}");
    }
    for parts in [
        &[("file", "data")][..],
        &[("remote_path", "/x")],
        &[("remote_path", "/a\0b"), ("file", "data")],
        &[("remote_path", &"x".repeat(100_000)), ("file", "data")],
    ] {
        assert_eq!(send(parts).await.0, 422);
    }
    world.close().await;
}

#[tokio::test]
async fn the_login_page_runs_its_own_script_and_nothing_else() {
    let world = World::new().await;
    let page = reqwest::get(format!("{}/login", world.server)).await;
    let page = page.unwrap();
    assert_eq!(page.status(), 200);
    let header = |name: &str| page.headers()[name].to_str().unwrap().to_owned();
    assert!(header("content-type").starts_with("text/html"));
    let policy = header("content-security-policy");
    assert!(policy.contains("default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-"));
    assert!(page.text().await.unwrap().contains("type=password"));
    world.close().await;
}
