//! What nobody may read in the log.

use std::{
    io,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::support::{PASSWORD, Server, key, set_password};
use thaw_api_types::Scope;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_log_level_shows_a_password_a_key_or_a_token() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let root = tempfile::tempdir().unwrap();
    let server = Server::start(root.path(), false).await;
    let mut db = set_password(&root);
    let read = key(&mut db, "viewer", Scope::Read);
    let body = format!("{{\"password\":\"{PASSWORD}\"}}");
    let login = format!(
        "POST /v1/login HTTP/1.1\r\nhost: {0}\r\ncontent-type: application/json\r\nconnection: close\r\n\
         content-length: {1}\r\n\r\n{body}",
        server.address,
        body.len()
    );
    let answer = say(&server, &login).await;
    let cookie = answer.split("thaw_session=").nth(1).unwrap();
    let token = cookie.split(';').next().unwrap().to_owned();
    for line in [
        format!("authorization: Bearer {read}"),
        format!("cookie: thaw_session={token}"),
        "upgrade: websocket".to_owned(),
        "authorization: Bearer thaw_wrongwrong".to_owned(),
    ] {
        let request = format!(
            "GET /v1/vms?token={read} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n{line}\r\n\r\n",
            server.address
        );
        say(&server, &request).await;
    }
    server.stop().await;
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("answered") && log.contains("viewer"), "{log}");
    for secret in [PASSWORD, &read, &token, "thaw_wrongwrong"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

/// By hand, so that what a client logs of its own is not in the way.
async fn say(server: &Server, request: &str) -> String {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
