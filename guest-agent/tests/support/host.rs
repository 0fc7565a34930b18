//! A host: opens streams, sends requests, gathers what comes back.

use std::{collections::VecDeque, future::poll_fn, task::Poll};

use bytes::BytesMut;
use futures::{
    AsyncReadExt as _, AsyncWriteExt as _,
    io::{ReadHalf, WriteHalf},
};
use thaw_agent::{Agent, Powers, serve};
use thaw_guest_protocol::{
    CodeRun, Control, Exec, Exit, Failure, Frame, FrameDecoder, FrameKind, Language, Opening,
    Program, Reply, Request, encode, encode_json,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    runtime::Handle,
    sync::{mpsc, oneshot},
    task::JoinSet,
};
use tokio_util::compat::TokioAsyncReadCompatExt as _;
use yamux::{Config, Connection, Mode, Stream};

/// A connection to an agent. Dropping it closes it.
pub(crate) struct Host {
    opens: mpsc::Sender<oneshot::Sender<Stream>>,
    _tasks: JoinSet<()>,
}

impl Host {
    /// Talks to an agent in this process.
    pub(crate) fn local() -> Self {
        Self::of(&Agent::new(Powers::Visitor, Handle::current()))
    }

    /// Opens one more session with an agent in this process.
    pub(crate) fn of(agent: &Agent) -> Self {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let agent = agent.clone();
        let mut host = Self::over(ours);
        host._tasks.spawn(async move {
            serve(theirs, agent).await.unwrap();
        });
        host
    }

    /// Talks to whoever is at the other end.
    pub(crate) fn over<T: AsyncRead + AsyncWrite + Send + Unpin + 'static>(io: T) -> Self {
        let (opens, requests) = mpsc::channel(16);
        let mut tasks = JoinSet::new();
        let connection = Connection::new(io.compat(), Config::default(), Mode::Client);
        tasks.spawn(drive(connection, requests));
        Self {
            opens,
            _tasks: tasks,
        }
    }

    /// Sends a request on a stream of its own.
    pub(crate) async fn start(&self, request: Request) -> Talk {
        self.open(&Opening {
            wake: None,
            request,
        })
        .await
    }

    /// The same with wake data.
    pub(crate) async fn open(&self, opening: &Opening) -> Talk {
        let (reply, stream) = oneshot::channel();
        self.opens.send(reply).await.unwrap();
        let (reader, writer) = stream.await.unwrap().split();
        let mut talk = Talk {
            reader,
            writer,
            decoder: FrameDecoder::default(),
        };
        let mut out = BytesMut::new();
        encode_json(FrameKind::Opening, opening, &mut out).unwrap();
        talk.send(&out).await;
        talk
    }

    pub(crate) async fn call(&self, request: Request) -> Result<Reply, Failure> {
        let frame = self.start(request).await.frame().await.unwrap();
        match frame.kind {
            FrameKind::Reply => Ok(frame.json().unwrap()),
            FrameKind::Failed => Err(frame.json().unwrap()),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn exec(&self, exec: Exec) -> Result<Outcome, Failure> {
        self.start(Request::Exec(exec)).await.outcome().await
    }

    pub(crate) async fn shell(&self, line: &str) -> Outcome {
        self.exec(shell(line)).await.unwrap()
    }

    pub(crate) async fn code(&self, code: CodeRun) -> Result<Outcome, Failure> {
        self.start(Request::Code(code)).await.outcome().await
    }
}

async fn drive<T: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    mut connection: Connection<tokio_util::compat::Compat<T>>,
    mut requests: mpsc::Receiver<oneshot::Sender<Stream>>,
) {
    let mut waiting = VecDeque::new();
    poll_fn(|cx| {
        loop {
            match requests.poll_recv(cx) {
                Poll::Ready(Some(reply)) => waiting.push_back(reply),
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Pending => break,
            }
        }
        while !waiting.is_empty() {
            let Poll::Ready(stream) = connection.poll_new_outbound(cx) else {
                break;
            };
            let _ = waiting.pop_front().unwrap().send(stream.unwrap());
        }
        match connection.poll_next_inbound(cx) {
            Poll::Ready(Some(Ok(stream))) => panic!("the agent opened {stream}"),
            Poll::Ready(_) => Poll::Ready(()),
            Poll::Pending => Poll::Pending,
        }
    })
    .await;
}

/// One stream.
pub(crate) struct Talk {
    reader: ReadHalf<Stream>,
    writer: WriteHalf<Stream>,
    decoder: FrameDecoder,
}

async fn next_frame(reader: &mut ReadHalf<Stream>, decoder: &mut FrameDecoder) -> Option<Frame> {
    let mut chunk = [0; 8192];
    loop {
        if let Some(frame) = decoder.next_frame().unwrap() {
            return Some(frame);
        }
        let read = reader.read(&mut chunk).await.unwrap();
        if read == 0 {
            assert!(decoder.is_at_boundary());
            return None;
        }
        decoder.push(&chunk[..read]);
    }
}

async fn receive(
    mut reader: ReadHalf<Stream>,
    mut decoder: FrameDecoder,
) -> Result<(Option<Reply>, Vec<u8>, Reply), Failure> {
    let (mut begun, mut data) = (None, Vec::new());
    loop {
        let frame = next_frame(&mut reader, &mut decoder).await;
        let frame = frame.expect("no last frame");
        match frame.kind {
            FrameKind::Begun => begun = Some(frame.json().unwrap()),
            FrameKind::Data => data.extend_from_slice(&frame.payload),
            FrameKind::Reply => return Ok((begun, data, frame.json().unwrap())),
            FrameKind::Failed => return Err(frame.json().unwrap()),
            other => panic!("{other:?}"),
        }
    }
}

/// What came of a program.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) exit: Exit,
}

impl Outcome {
    pub(crate) fn out(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    pub(crate) fn err(&self) -> &str {
        std::str::from_utf8(&self.stderr).unwrap()
    }
}

impl Talk {
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.writer.write_all(bytes).await.unwrap();
        self.writer.flush().await.unwrap();
    }

    pub(crate) async fn stdin(&mut self, bytes: &[u8]) {
        let mut out = BytesMut::new();
        for chunk in bytes.chunks(32 * 1024) {
            encode(FrameKind::Stdin, chunk, &mut out).unwrap();
            self.send(&out.split()).await;
        }
    }

    pub(crate) async fn end_stdin(&mut self) {
        let mut out = BytesMut::new();
        encode(FrameKind::StdinEnd, &[], &mut out).unwrap();
        self.send(&out).await;
    }

    /// Sends the content of a file or archive; whether all of it was taken.
    pub(crate) async fn data(&mut self, bytes: &[u8]) -> bool {
        let mut out = BytesMut::new();
        for chunk in bytes.chunks(32 * 1024) {
            encode(FrameKind::Data, chunk, &mut out).unwrap();
            if self.writer.write_all(&out.split()).await.is_err() {
                return false;
            }
        }
        self.writer.flush().await.is_ok()
    }

    /// Sends all of the content unless the agent has had enough of it, and returns what it says.
    pub(crate) async fn upload(self, content: &[u8]) -> Result<Reply, Failure> {
        let Self {
            reader,
            mut writer,
            decoder,
        } = self;
        let mut out = BytesMut::new();
        for chunk in content.chunks(32 * 1024) {
            encode(FrameKind::Data, chunk, &mut out).unwrap();
        }
        encode(FrameKind::DataEnd, &[], &mut out).unwrap();
        let send = async {
            if writer.write_all(&out).await.is_ok() {
                let _ = writer.flush().await;
            }
            std::future::pending::<()>().await
        };
        let receive = receive(reader, decoder);
        tokio::select! {
            received = receive => received.map(|(_, _, reply)| reply),
            () = send => unreachable!("it never ends"),
        }
    }

    pub(crate) async fn end_data(&mut self) {
        let mut out = BytesMut::new();
        encode(FrameKind::DataEnd, &[], &mut out).unwrap();
        self.send(&out).await;
    }

    /// What the agent sends: how it began, its data, and the reply.
    pub(crate) async fn content(self) -> Result<(Option<Reply>, Vec<u8>, Reply), Failure> {
        // A host that closes its side has left.
        let (reader, _writer) = (self.reader, self.writer);
        receive(reader, self.decoder).await
    }

    pub(crate) async fn control(&mut self, control: Control) {
        let mut out = BytesMut::new();
        encode_json(FrameKind::Control, &control, &mut out).unwrap();
        self.send(&out).await;
    }

    /// The next frame; `None` at the end of the stream.
    pub(crate) async fn frame(&mut self) -> Option<Frame> {
        next_frame(&mut self.reader, &mut self.decoder).await
    }

    /// Everything until the end.
    pub(crate) async fn outcome(mut self) -> Result<Outcome, Failure> {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        loop {
            let frame = self
                .frame()
                .await
                .expect("the stream ended without a last frame");
            match frame.kind {
                FrameKind::Stdout => stdout.extend_from_slice(&frame.payload),
                FrameKind::Stderr => stderr.extend_from_slice(&frame.payload),
                FrameKind::Failed => return Err(frame.json().unwrap()),
                FrameKind::Exit => {
                    return Ok(Outcome {
                        stdout,
                        stderr,
                        exit: frame.json().unwrap(),
                    });
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// Output until it contains `text`.
    pub(crate) async fn until(&mut self, text: &str) -> String {
        let mut seen = String::new();
        while !seen.contains(text) {
            let frame = self.frame().await.expect(&seen);
            assert!(
                matches!(frame.kind, FrameKind::Stdout | FrameKind::Stderr),
                "{frame:?}"
            );
            seen.push_str(&String::from_utf8_lossy(&frame.payload));
        }
        seen
    }
}

pub(crate) fn argv(argv: &[&str]) -> Exec {
    exec(Program::Argv(argv.iter().map(|&a| a.into()).collect()))
}

pub(crate) fn shell(line: &str) -> Exec {
    exec(Program::Shell(line.into()))
}

fn exec(program: Program) -> Exec {
    Exec {
        program,
        env: Vec::new(),
        cwd: None,
        user: None,
        stdin: false,
        timeout_ms: Some(60_000),
        output_limit_bytes: 10 << 20,
        pty: None,
    }
}

pub(crate) fn python(code: &str) -> CodeRun {
    CodeRun {
        language: Language::Python,
        code: code.into(),
        env: Vec::new(),
        cwd: None,
        stdin: false,
        timeout_ms: Some(60_000),
        output_limit_bytes: 10 << 20,
        keep_interpreter: false,
    }
}
