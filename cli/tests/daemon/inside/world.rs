//! A daemon with one machine in it, and ways to talk to both.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use thaw_api_types::{
    CreateVmRequest, VmExecRequest,
    client::{Client, ClientError},
};
use tokio::runtime::Runtime;

use crate::support::Daemon;

pub(super) const VM: &str = "inside";

pub(super) struct World {
    pub(super) daemon: Daemon,
    pub(super) client: Client,
    pub(super) runtime: Runtime,
}

/// An answer as it came.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl World {
    pub(super) fn new() -> Self {
        let daemon = Daemon::with_python(&[]);
        let client = Client::new(daemon.server(), None).unwrap();
        let world = Self {
            daemon,
            client,
            runtime: Runtime::new().unwrap(),
        };
        let request = CreateVmRequest {
            image: Some("python".to_owned()),
            name: Some(VM.to_owned()),
            ..CreateVmRequest::default()
        };
        world.wait(world.client.create_vm(&request)).unwrap();
        world
    }

    #[track_caller]
    pub(super) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        let limit = Duration::from_secs(60);
        self.runtime
            .block_on(async { tokio::time::timeout(limit, future).await })
            .expect("it took too long")
    }

    /// What a shell in the machine prints.
    pub(super) fn shell(&self, line: &str) -> String {
        let request = VmExecRequest {
            command: Some(line.to_owned()),
            ..VmExecRequest::default()
        };
        let ran = self.wait(self.client.vm_exec(VM, &request)).unwrap();
        format!("{}{}", ran.stdout, ran.stderr)
    }

    /// Waits until a shell in the machine prints this.
    pub(super) fn shell_says(&self, line: &str, wanted: &str) {
        let begin = Instant::now();
        loop {
            let said = self.shell(line);
            if said == wanted {
                return;
            }
            let waited = begin.elapsed();
            assert!(waited < Duration::from_secs(60), "{line}: {said:?}");
        }
    }

    /// Opens a connection of its own.
    pub(super) fn connect(&self) -> TcpStream {
        let address = self.daemon.server().strip_prefix("http://").unwrap();
        let stream = TcpStream::connect(address).unwrap();
        let limit = Some(Duration::from_secs(60));
        stream.set_read_timeout(limit).unwrap();
        stream
    }

    /// Sends a request byte for byte and reads its answer to the end.
    pub(super) fn raw(&self, head: &str, body: &[u8]) -> Answer {
        let mut stream = self.connect();
        write!(
            stream,
            "{head}\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        // A server that refuses early may not read all of it.
        let _ = stream.write_all(body);
        answer(stream)
    }
}

pub(super) fn answer(stream: TcpStream) -> Answer {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut head).unwrap() > 0, "cut off: {head}");
    }
    let mut body = Vec::new();
    // An answer that is broken off on purpose ends here too.
    let _ = reader.read_to_end(&mut body);
    let status = head.split_whitespace().nth(1).unwrap().parse().unwrap();
    Answer { status, head, body }
}

impl Answer {
    pub(super) fn has(&self, header: &str) -> bool {
        let wanted = header.to_ascii_lowercase();
        self.head
            .lines()
            .any(|line| line.to_ascii_lowercase() == wanted)
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// The code of a refusal.
pub(super) fn refused<T: std::fmt::Debug>(result: Result<T, ClientError>) -> &'static str {
    match result.unwrap_err() {
        ClientError::Refused(detail) => detail.code.as_str(),
        other => panic!("{other:?}"),
    }
}

/// Bytes of every value.
pub(super) fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes)
        .map(|n| (n * 31 % 251 + n / 65_536) as u8)
        .collect()
}
