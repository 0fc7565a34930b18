//! What a fake guest can run. A program's time limit counts, except where it says otherwise.
//!
//! `true`, `echo WORD…`, `exit CODE`, `cat` (standard input to standard output), `hostname`, `env`,
//! `sleep MS`, `hang`, `remember WORD` and `recall` (in memory), `store WORD` and `load` (on the scratch
//! disk), `poweroff`; and what no sound guest does: `stuck` (ignores its time limit), `flood` (more
//! output than allowed), `garbage` (bytes that are no frame), `cut` (ends the stream without an
//! exit), `crash` (the VMM is killed), `panic` (the guest's kernel panics).

use std::{fs::File, future::pending, io, os::unix::fs::FileExt as _, time::Duration};

use thaw_guest_protocol::{
    CodeRun, Exec, Exit, ExitStatus, FailureKind, FrameKind, GuestTimings, Program,
};
use tokio::sync::watch;

use super::{
    agent::{Guest, Inbound, Outbound},
    engine::pass,
};
use crate::EndKind;

pub(super) async fn run(exec: &Exec, guest: &Guest, input: Inbound, output: &mut Outbound) {
    let words: Vec<&str> = match &exec.program {
        Program::Argv(words) => words.iter().map(String::as_str).collect(),
        Program::Shell(line) => line.split_whitespace().collect(),
    };
    let limit = exec
        .timeout_ms
        .map(Duration::from_millis)
        .filter(|_| words != ["stuck"]);
    let program = program(&words, exec, guest, input, output);
    let status = match limit {
        Some(limit) => tokio::time::timeout(limit, program).await.ok(),
        None => Some(program.await),
    };
    let (status, timed_out) = match status {
        Some(Some(code)) => (ExitStatus::Exited(code), false),
        // It has said all that it will.
        Some(None) => return,
        None => (ExitStatus::Signaled(9), true),
    };
    output.json(FrameKind::Exit, &exit(status, timed_out)).await;
}

/// The exit code, or none when nothing must follow.
async fn program(
    words: &[&str],
    exec: &Exec,
    guest: &Guest,
    mut input: Inbound,
    output: &mut Outbound,
) -> Option<i32> {
    match words {
        ["true"] => Some(0),
        ["echo", words @ ..] => {
            let line = format!("{}\n", words.join(" "));
            output.data(FrameKind::Stdout, line.as_bytes()).await;
            Some(0)
        }
        ["exit", code] => Some(code.parse().unwrap_or(2)),
        ["hostname"] => {
            output
                .data(FrameKind::Stdout, text(&guest.process.hostname).as_bytes())
                .await;
            Some(0)
        }
        ["remember", word] => {
            guest.process.remembered.send_replace((*word).to_owned());
            Some(0)
        }
        ["recall"] => {
            output
                .data(
                    FrameKind::Stdout,
                    text(&guest.process.remembered).as_bytes(),
                )
                .await;
            Some(0)
        }
        ["store", word] => Some(store(&guest.process.scratch, word)),
        ["load"] => match load(&guest.process.scratch) {
            Ok(word) => {
                output.data(FrameKind::Stdout, &word).await;
                Some(0)
            }
            Err(_) => Some(1),
        },
        ["poweroff"] => {
            guest
                .process
                .end(EndKind::Exited(0), "reboot: Power down\n");
            pending().await
        }
        ["env"] => {
            for (key, value) in &exec.env {
                let line = format!("{key}={value}\n");
                output.data(FrameKind::Stdout, line.as_bytes()).await;
            }
            Some(0)
        }
        ["cat"] => {
            while let Some(frame) = input.next().await {
                match frame.kind {
                    FrameKind::Stdin => output.data(FrameKind::Stdout, &frame.payload).await,
                    _ => break,
                }
            }
            Some(0)
        }
        ["sleep", ms] => {
            pass(Duration::from_millis(ms.parse().unwrap_or(0))).await;
            Some(0)
        }
        ["hang"] => {
            // Until the host hangs up.
            while input.next().await.is_some() {}
            None
        }
        ["stuck"] => pending().await,
        ["flood"] => {
            let chunk = vec![b'x'; 32 * 1024];
            for _ in 0..=exec.output_limit_bytes / chunk.len() as u64 {
                output.data(FrameKind::Stdout, &chunk).await;
            }
            Some(0)
        }
        ["garbage"] => {
            output.raw(&[0xff; 64]).await;
            pending().await
        }
        ["cut"] => None,
        ["crash"] => {
            guest.process.end(EndKind::Signaled(9), "");
            pending().await
        }
        ["panic"] => {
            guest.process.end(
                EndKind::Exited(0),
                "Kernel panic - not syncing: asked for\n",
            );
            pending().await
        }
        _ => {
            let message = format!("there is no program {words:?}");
            output.fail(FailureKind::ProgramNotFound, &message).await;
            None
        }
    }
}

fn text(text: &watch::Sender<String>) -> String {
    text.borrow().clone()
}

/// A word of up to this many bytes lies at the begin of the disk, where no file system has anything.
const WORD_BYTES: usize = 64;

fn store(disk: &File, word: &str) -> i32 {
    let mut bytes = word.as_bytes().to_vec();
    bytes.resize(WORD_BYTES, 0);
    i32::from(disk.write_all_at(&bytes, 0).is_err())
}

fn load(disk: &File) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; WORD_BYTES];
    disk.read_exact_at(&mut bytes, 0)?;
    bytes.retain(|byte| *byte != 0);
    Ok(bytes)
}

/// A code run prints its own source.
pub(super) async fn code(run: &CodeRun, output: &mut Outbound) {
    output.data(FrameKind::Stdout, run.code.as_bytes()).await;
    output
        .json(FrameKind::Exit, &exit(ExitStatus::Exited(0), false))
        .await;
}

pub(super) fn exit(status: ExitStatus, timed_out: bool) -> Exit {
    Exit {
        status,
        timed_out,
        stdout_truncated: false,
        stderr_truncated: false,
        timings: GuestTimings::default(),
    }
}
