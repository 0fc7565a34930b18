//! A function in an agent of this process, with a code folder of its own.

use std::io::Write as _;

use tempfile::TempDir;
use thaw_guest_protocol::{
    Failure, FrameKind, FunctionKind, Invoke, Invoked, LoadFunction, Opening, Outcome, Request,
    ResultHead, SecretBytes, Wake,
};

use super::host::{Host, Outcome as Ran};

/// A function, loaded or not.
pub(crate) struct Function {
    host: Host,
    _folder: TempDir,
}

/// What came of an event.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) result: Vec<u8>,
    pub(crate) content_type: Option<String>,
    pub(crate) invoked: Invoked,
    log: Vec<u8>,
}

impl Answered {
    pub(crate) fn outcome(&self) -> Outcome {
        self.invoked.outcome
    }

    pub(crate) fn log(&self) -> &str {
        std::str::from_utf8(&self.log).unwrap()
    }
}

/// A tar of executable files.
pub(crate) fn files(files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, text) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o755);
        tar.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    let mut bytes = tar.into_inner().unwrap();
    bytes.flush().unwrap();
    bytes
}

impl Function {
    pub(crate) fn none(host: Host) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            host,
            _folder: folder,
        }
    }

    pub(crate) async fn load(kind: FunctionKind, code: &[u8]) -> (Self, Result<Ran, Failure>) {
        let function = Self::none(Host::local());
        let load = LoadFunction {
            kind,
            name: "f".into(),
            memory_mib: 256,
            folder: function._folder.path().to_str().unwrap().into(),
            cwd: None,
            env: Vec::new(),
            user: None,
            timeout_ms: 5000,
            output_limit_bytes: 65536,
        };
        let mut talk = function.host.start(Request::LoadFunction(load)).await;
        talk.stdin(code).await;
        talk.end_stdin().await;
        let ran = talk.outcome().await;
        (function, ran)
    }

    pub(crate) async fn prove(&self) {
        self.host.call(Request::Prove).await.unwrap();
    }

    pub(crate) async fn invoke(&self, event: &str) -> Result<Answered, Failure> {
        self.invoke_for(event, 60_000).await
    }

    pub(crate) async fn invoke_for(
        &self,
        event: &str,
        timeout_ms: u64,
    ) -> Result<Answered, Failure> {
        let request = Request::Invoke(request(Some(event), None, timeout_ms));
        self.answer(None, request, None).await
    }

    pub(crate) async fn invoke_thawed(&self, event: &str) -> Result<Answered, Failure> {
        let request = Request::Invoke(request(Some(event), None, 60_000));
        self.answer(Some(wake()), request, None).await
    }

    /// What a clone goes through before it is parked.
    pub(crate) async fn rehearse_thawed(&self, event: &str) -> Result<Answered, Failure> {
        let mut invoke = request(Some(event), Some("application/json"), 60_000);
        invoke.rehearsal = true;
        self.answer(Some(wake()), Request::Invoke(invoke), None)
            .await
    }

    pub(crate) async fn invoke_bytes(&self, event: &[u8]) -> Result<Answered, Failure> {
        let request = request(None, Some("application/octet-stream"), 60_000);
        let request = Request::Invoke(request);
        self.answer(None, request, Some(event)).await
    }

    pub(crate) async fn invoke_bytes_thawed(&self, event: &[u8]) -> Result<Answered, Failure> {
        let request = request(None, Some("application/octet-stream"), 60_000);
        let request = Request::Invoke(request);
        self.answer(Some(wake()), request, Some(event)).await
    }

    /// Takes the result as it comes; `seen` is told of each piece.
    pub(crate) async fn invoke_in_pieces(
        &self,
        event: &str,
        seen: &mut dyn FnMut(&[u8]),
    ) -> Result<Answered, Failure> {
        let mut invoke = request(Some(event), None, 60_000);
        invoke.pieces = true;
        self.answer_seen(None, Request::Invoke(invoke), None, seen)
            .await
    }

    async fn answer(
        &self,
        wake: Option<Wake>,
        request: Request,
        event: Option<&[u8]>,
    ) -> Result<Answered, Failure> {
        self.answer_seen(wake, request, event, &mut |_| {}).await
    }

    async fn answer_seen(
        &self,
        wake: Option<Wake>,
        request: Request,
        event: Option<&[u8]>,
        seen: &mut dyn FnMut(&[u8]),
    ) -> Result<Answered, Failure> {
        let mut talk = self.host.open(&Opening { wake, request }).await;
        if let Some(event) = event {
            talk.stdin(event).await;
            talk.end_stdin().await;
        }
        let (mut result, mut log, mut content_type) = (Vec::new(), Vec::new(), None);
        loop {
            let frame = talk.frame().await.expect("a last frame");
            match frame.kind {
                FrameKind::Stdout | FrameKind::Stderr => log.extend_from_slice(&frame.payload),
                FrameKind::Result => {
                    seen(&frame.payload);
                    result.extend_from_slice(&frame.payload);
                }
                FrameKind::ResultHead => {
                    content_type = frame.json::<ResultHead>().unwrap().content_type;
                }
                FrameKind::Failed => return Err(frame.json().unwrap()),
                FrameKind::Invoked => {
                    return Ok(Answered {
                        result,
                        content_type,
                        invoked: frame.json().unwrap(),
                        log,
                    });
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

fn wake() -> Wake {
    Wake {
        entropy: SecretBytes(vec![7; 64]),
        wall_clock_ns: 1,
        hostname: Some("clone".into()),
        machine_id: Some("0".repeat(32)),
    }
}

fn request(event: Option<&str>, content_type: Option<&str>, timeout_ms: u64) -> Invoke {
    Invoke {
        request_id: "r-1".into(),
        version: "1".into(),
        content_type: content_type.map(Into::into),
        client_context: None,
        event: event.map(Into::into),
        timeout_ms,
        log_limit_bytes: 65536,
        result_limit_bytes: 2_000_000,
        reuse: true,
        pieces: false,
        rehearsal: false,
    }
}
