//! What a fake guest's function does.
//!
//! One of kind python whose handler is `app.fail` fails its load, with `it went wrong` on standard error. A
//! loaded one returns its event, after the words that it knows: `"raise"`, `"end"`, `"hang"` (until the host
//! hangs up, whatever its time limit), `"sleep MS"` (its time limit counts), `"crash"` (the VMM is killed),
//! `"leave"` (its process ends after it has returned).

use std::{
    future::pending,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::BytesMut;
use thaw_guest_protocol::{
    ExitStatus, FailureKind, FrameKind, FunctionKind, GuestTimings, Invoke, Invoked, LoadFunction,
    Outcome, ResultHead,
};

use super::{
    agent::{Guest, Inbound, Outbound},
    engine::pass,
    programs::exit,
};
use crate::EndKind;

/// What a guest knows of its function. A clone's begins as its template's is believed to be: loaded.
#[derive(Debug, Clone, Default)]
pub(super) struct Functions {
    /// The time is up for good: an event was cut off.
    spent: Arc<Mutex<bool>>,
    served: Arc<AtomicU32>,
    /// Its process has ended between events.
    left: Arc<AtomicBool>,
}

pub(super) async fn load(load: &LoadFunction, mut input: Inbound, output: &mut Outbound) {
    while let Some(frame) = input.next().await {
        if frame.kind == FrameKind::StdinEnd {
            break;
        }
    }
    let fails = matches!(&load.kind, FunctionKind::Python { handler } if handler == "app.fail");
    if fails {
        output.data(FrameKind::Stderr, b"it went wrong\n").await;
    }
    let status = ExitStatus::Exited(i32::from(fails));
    output.json(FrameKind::Exit, &exit(status, false)).await;
}

pub(super) async fn invoke(
    invoke: Invoke,
    guest: &Guest,
    mut input: Inbound,
    output: &mut Outbound,
) {
    let functions = &guest.functions;
    if *functions
        .spent
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
    {
        let message = "no function is loaded in this machine";
        return output.fail(FailureKind::BadRequest, message).await;
    }
    if functions.left.load(Ordering::Relaxed) {
        let message = "the function's process ended after its last event";
        return output.fail(FailureKind::FunctionEnded, message).await;
    }
    let event = match invoke.event {
        Some(text) => text.into_bytes(),
        None => gather(&mut input).await,
    };
    let text = String::from_utf8_lossy(&event).into_owned();
    let words: Vec<_> = text.trim_matches('"').split(' ').collect();
    let limit = Duration::from_millis(invoke.timeout_ms);
    let outcome = match words.as_slice() {
        ["raise"] => Outcome::Raised,
        ["leave"] => {
            functions.left.store(true, Ordering::Relaxed);
            Outcome::Returned
        }
        ["end"] => Outcome::Ended(ExitStatus::Exited(3)),
        // Its first piece comes, and then nothing, or its end.
        ["drip" | "break"] => {
            output
                .json(FrameKind::ResultHead, &ResultHead::default())
                .await;
            output.data(FrameKind::Result, text.as_bytes()).await;
            if text == "drip" {
                while input.next().await.is_some() {}
                return;
            }
            Outcome::Ended(ExitStatus::Exited(3))
        }
        ["hang"] => {
            output.data(FrameKind::Stdout, b"hanging\n").await;
            while input.next().await.is_some() {}
            return;
        }
        ["crash"] => {
            guest.process.end(EndKind::Signaled(9), "");
            pending().await
        }
        ["sleep", ms] => {
            let wanted = Duration::from_millis(ms.parse().unwrap_or(0));
            pass(wanted.min(limit)).await;
            if wanted < limit {
                Outcome::Returned
            } else {
                Outcome::TimedOut
            }
        }
        _ => Outcome::Returned,
    };
    if !invoke.rehearsal {
        let served = functions.served.fetch_add(1, Ordering::Relaxed) + 1;
        let line = format!("served {served}\n");
        output.data(FrameKind::Stdout, line.as_bytes()).await;
    }
    if outcome.is_fit() {
        let content_type = invoke.content_type;
        output
            .json(
                FrameKind::ResultHead,
                &ResultHead {
                    content_type,
                    is_error: outcome != Outcome::Returned,
                },
            )
            .await;
        for chunk in event.chunks(32 * 1024) {
            output.data(FrameKind::Result, chunk).await;
        }
    } else {
        *functions
            .spent
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = true;
    }
    let invoked = Invoked {
        outcome,
        out_of_memory: false,
        log_truncated: false,
        timings: GuestTimings::default(),
    };
    output.json(FrameKind::Invoked, &invoked).await;
}

async fn gather(input: &mut Inbound) -> Vec<u8> {
    let mut event = BytesMut::new();
    while let Some(frame) = input.next().await {
        match frame.kind {
            FrameKind::Stdin => event.extend_from_slice(&frame.payload),
            _ => break,
        }
    }
    event.to_vec()
}
