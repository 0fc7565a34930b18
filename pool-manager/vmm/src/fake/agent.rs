//! The agent of a fake guest: the server side of the real protocol.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::BytesMut;
use futures::{AsyncReadExt as _, AsyncWriteExt as _, io::ReadHalf, io::WriteHalf};
use thaw_guest_protocol::{
    AgentInfo, Failure, FailureKind, Frame, FrameDecoder, FrameKind, Language, Opening,
    PROTOCOL_VERSION, Reply, Request, encode, encode_json,
};
use tokio::{io::DuplexStream, sync::watch, task::JoinSet};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};
use yamux::{Config, Connection, Mode, Stream};

use super::{
    engine::{Shared, pass},
    functions,
    machine::FakeProcess,
    ports, programs,
};
use crate::EndKind;

/// What all streams of one guest share.
#[derive(Clone)]
pub(super) struct Guest {
    pub(super) process: Arc<FakeProcess>,
    pub(super) runs: watch::Receiver<bool>,
    engine: Arc<Shared>,
    pub(super) functions: functions::Functions,
}

/// Serves until the connection or the process ends. Streams are accepted at any time, as QEMU's
/// buffers do, and are looked into while the machine runs.
pub(super) async fn serve(
    io: DuplexStream,
    runs: watch::Receiver<bool>,
    process: Arc<FakeProcess>,
    engine: Arc<Shared>,
) {
    let guest = Guest {
        process,
        runs,
        engine,
        functions: functions::Functions::default(),
    };
    let mut connection = Connection::new(io.compat(), Config::default(), Mode::Server);
    let mut streams = JoinSet::new();
    poll_fn(|cx| poll_serve(cx, &mut connection, &mut streams, &guest)).await;
}

fn poll_serve(
    cx: &mut Context<'_>,
    connection: &mut Connection<Compat<DuplexStream>>,
    streams: &mut JoinSet<()>,
    guest: &Guest,
) -> Poll<()> {
    while let Poll::Ready(Some(_)) = streams.poll_join_next(cx) {}
    loop {
        match connection.poll_next_inbound(cx) {
            Poll::Ready(Some(Ok(stream))) => {
                streams.spawn(operate(stream, guest.clone()));
                while let Poll::Ready(Some(_)) = streams.poll_join_next(cx) {}
            }
            Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(()),
            Poll::Pending => return Poll::Pending,
        }
    }
}

/// One stream; a host that hangs up ends it.
async fn operate(stream: Stream, mut guest: Guest) {
    if guest.runs.wait_for(|runs| *runs).await.is_err() {
        return;
    }
    let (reader, writer) = stream.split();
    let mut input = Inbound {
        reader,
        decoder: FrameDecoder::default(),
    };
    let mut output = Outbound { writer };
    let Some(opening) = input
        .next()
        .await
        .and_then(|frame| frame.json::<Opening>().ok())
    else {
        return;
    };
    if let Some(hostname) = opening.wake.and_then(|wake| wake.hostname) {
        guest.process.hostname.send_replace(hostname);
    }
    match opening.request {
        Request::Exec(exec) => programs::run(&exec, &guest, input, &mut output).await,
        Request::Code(run) | Request::Rehearse(run) => programs::code(&run, &mut output).await,
        Request::LoadFunction(load) => functions::load(&load, input, &mut output).await,
        Request::Invoke(invoke) => functions::invoke(invoke, &guest, input, &mut output).await,
        Request::Info => output.json(FrameKind::Reply, &info()).await,
        Request::Prove => {
            pass(guest.engine.now().prove_delay).await;
            if guest.engine.fails(|faults| &mut faults.prove_failures) {
                output
                    .fail(FailureKind::System, "a fault was injected")
                    .await;
            } else {
                output.json(FrameKind::Reply, &Reply::Done).await;
            }
        }
        Request::Prepare { .. }
        | Request::Quiesce { .. }
        | Request::GrowDisk { .. }
        | Request::Continue => {
            output.json(FrameKind::Reply, &Reply::Done).await;
        }
        Request::Shutdown => {
            output.json(FrameKind::Reply, &Reply::Done).await;
            // An agent that was told to power off does not wait for ever for the host to take the answer.
            pass(guest.engine.now().shutdown_delay).await;
            guest
                .process
                .end(EndKind::Exited(0), "reboot: Power down\n");
        }
        Request::Dial { port } => ports::dial(port, input, &mut output).await,
        Request::Usage | Request::Files(_) | Request::Background(_) => {
            output
                .fail(
                    FailureKind::System,
                    "a fake guest has no files, no figures and no background",
                )
                .await
        }
    }
}

fn info() -> Reply {
    Reply::Info(AgentInfo {
        protocol: PROTOCOL_VERSION,
        version: "fake".to_owned(),
        kernel: "fake".to_owned(),
        interpreters: vec![(Language::Python, "3.11.2".to_owned())],
    })
}

pub(super) struct Inbound {
    reader: ReadHalf<Stream>,
    decoder: FrameDecoder,
}

impl Inbound {
    /// The next frame; none when the host hung up.
    pub(super) async fn next(&mut self) -> Option<Frame> {
        let mut chunk = [0; 4096];
        loop {
            if let Some(frame) = self.decoder.next_frame().ok()? {
                return Some(frame);
            }
            match self.reader.read(&mut chunk).await {
                Ok(read) if read > 0 => self.decoder.push(&chunk[..read]),
                Ok(_) | Err(_) => return None,
            }
        }
    }
}

pub(super) struct Outbound {
    writer: WriteHalf<Stream>,
}

impl Outbound {
    pub(super) async fn data(&mut self, kind: FrameKind, payload: &[u8]) {
        let mut bytes = BytesMut::new();
        if encode(kind, payload, &mut bytes).is_ok() {
            self.raw(&bytes).await;
        }
    }

    pub(super) async fn json(&mut self, kind: FrameKind, message: &impl serde::Serialize) {
        let mut bytes = BytesMut::new();
        if encode_json(kind, message, &mut bytes).is_ok() {
            self.raw(&bytes).await;
        }
    }

    pub(super) async fn fail(&mut self, kind: FailureKind, message: &str) {
        let failure = Failure {
            kind,
            message: message.to_owned(),
        };
        self.json(FrameKind::Failed, &failure).await;
    }

    /// A host that is gone is not an error of the guest.
    pub(super) async fn raw(&mut self, bytes: &[u8]) {
        if self.writer.write_all(bytes).await.is_ok() {
            let _ = self.writer.flush().await;
        }
    }
}
