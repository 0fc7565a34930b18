//! Programs in the background.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use support::host::{Host, shell};
use thaw_agent::{Agent, Powers};
use thaw_guest_protocol::{
    BackgroundExec, BackgroundOperation, ExecId, ExitStatus, FailureKind, OutputPiece,
    OutputStream, PtySize, Reply, Request,
};
use tokio::runtime::Handle;

async fn ask(host: &Host, operation: BackgroundOperation) -> BackgroundExec {
    match host.call(Request::Background(operation)).await.unwrap() {
        Reply::Exec(exec) => exec,
        other => panic!("{other:?}"),
    }
}

async fn start(host: &Host, line: &str) -> ExecId {
    ask(host, BackgroundOperation::Start { exec: shell(line) })
        .await
        .id
}

/// All of its standard output, to its end.
async fn follow(host: &Host, id: ExecId) -> (String, BackgroundExec) {
    let operation = BackgroundOperation::Output {
        id,
        stdout_from: 0,
        stderr_from: 0,
        follow: true,
    };
    let mut talk = host.start(Request::Background(operation)).await;
    let mut out = Vec::new();
    loop {
        let frame = talk.frame().await.expect("a last frame");
        match frame.kind {
            thaw_guest_protocol::FrameKind::Begun => {}
            thaw_guest_protocol::FrameKind::Data => {
                let piece = OutputPiece::decode(&frame.payload).unwrap();
                if piece.stream == OutputStream::Stdout {
                    assert_eq!(piece.from, out.len() as u64);
                    out.extend_from_slice(piece.bytes);
                }
            }
            thaw_guest_protocol::FrameKind::Reply => match frame.json().unwrap() {
                Reply::Exec(exec) => return (String::from_utf8(out).unwrap(), exec),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn one_outlives_the_session_that_started_it() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    let agent = Agent::new(Powers::Visitor, Handle::current());
    let first = Host::of(&agent);
    let line = format!(
        "mkfifo {0}; echo one; read word <{0}; echo $word; exit 4",
        fifo.display()
    );
    let id = start(&first, &line).await;
    drop(first);
    let second = Host::of(&agent);
    let listed = second.call(Request::Background(BackgroundOperation::List));
    match listed.await.unwrap() {
        Reply::Execs { execs } => assert_eq!(execs.len(), 1),
        other => panic!("{other:?}"),
    }
    let running = ask(&second, BackgroundOperation::Inspect { id }).await;
    assert_eq!(running.end, None);
    let let_on = format!(
        "until [ -p {0} ]; do sleep 0.01; done; echo two >{0}",
        fifo.display()
    );
    let ((out, ended), _) = tokio::join!(follow(&second, id), second.shell(&let_on));
    assert_eq!(out, "one\ntwo\n");
    assert_eq!(ended.end.unwrap().status, ExitStatus::Exited(4));
}

#[tokio::test]
async fn a_flood_that_nobody_reads_ends_and_a_reader_that_does_not_follow_comes_to_an_end() {
    let host = Host::local();
    let id = start(&host, "seq 1 100000").await;
    let (_, ended) = loop {
        let exec = ask(&host, BackgroundOperation::Inspect { id }).await;
        if exec.end.is_some() {
            break ((), exec);
        }
    };
    assert_eq!(
        ended.stdout.written_bytes - ended.stdout.lost_bytes,
        128 * 1024
    );
    let id = start(&host, "yes").await;
    let operation = BackgroundOperation::Output {
        id,
        stdout_from: 0,
        stderr_from: 0,
        follow: false,
    };
    let talk = host.start(Request::Background(operation)).await;
    assert!(talk.content().await.is_ok());
    let gone = ask(&host, BackgroundOperation::Remove { id }).await;
    assert_eq!(gone.end.unwrap().status, ExitStatus::Signaled(9));
    let inspect = BackgroundOperation::Inspect { id };
    let refused = host.call(Request::Background(inspect)).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::NoSuchExec);
}

#[tokio::test]
async fn what_needs_somebody_at_its_other_end_is_refused() {
    let host = Host::local();
    let mut with_stdin = shell("cat");
    with_stdin.stdin = true;
    let mut on_terminal = shell("tty");
    on_terminal.pty = Some(PtySize { cols: 80, rows: 24 });
    for exec in [with_stdin, on_terminal] {
        let operation = BackgroundOperation::Start { exec };
        let refused = host.call(Request::Background(operation)).await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::BadRequest);
    }
}
