//! `/v1/vms/{id}/logs`

use std::convert::Infallible;

use axum::{
    body::Body,
    extract::State,
    http::header,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use thaw_api_types::{ErrorBody, VmLogsQuery};
use thaw_runner::{
    Runner,
    node::{ConsolePiece, ConsoleStream},
};
use tokio::sync::mpsc;

use crate::{body::Parameters, error::ApiError, failure, named::Named, state::App};

/// Read what a VM says on its console
///
/// The last 64 KiB, and with `follow` what it says next, until it ends. A reader that is too slow misses something,
/// and a line says how much. Of a VM that has ended it is what it said last, for as long as the server runs. Reading
/// is no use of the VM.
#[utoipa::path(
    get,
    path = "/v1/vms/{id}/logs",
    tag = "inside",
    params(("id" = String, Path, description = "The VM's id or name"), VmLogsQuery),
    responses(
        (status = 200, description = "What it says", body = String, content_type = "text/plain"),
        (status = "4XX", description = "The request can't be done", body = ErrorBody),
    ),
)]
pub(crate) async fn logs(
    State(app): State<App>,
    Named(id): Named,
    Parameters(query): Parameters<VmLogsQuery>,
) -> Result<Response, ApiError> {
    let ConsoleStream { said, more } = match app.runner.vm_console(&id, query.follow).await {
        Ok(console) => console,
        Err(error) => return Err(failure::vm(&app, None, &error).await),
    };
    let said = stream::iter([tail(whole_lines(said), query.tail)]);
    let body = match more {
        None => Body::from_stream(said.map(Ok::<_, Infallible>)),
        Some(more) => {
            let all = said.chain(follow(app.runner.clone(), more));
            Body::from_stream(all.map(Ok::<_, Infallible>))
        }
    };
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response())
}

/// Until the VM ends, or the server does not serve any longer.
fn follow(
    runner: Runner,
    more: mpsc::Receiver<ConsolePiece>,
) -> impl futures::Stream<Item = Bytes> + Send {
    stream::unfold((runner, more), |(runner, mut more)| async move {
        let piece = tokio::select! {
            piece = more.recv() => piece?,
            () = runner.refusing() => return None,
        };
        Some((shown(piece), (runner, more)))
    })
}

fn shown(piece: ConsolePiece) -> Bytes {
    if piece.missed_bytes == 0 {
        return piece.bytes;
    }
    let mut text = format!("\n[{} bytes were missed]\n", piece.missed_bytes).into_bytes();
    text.extend_from_slice(&piece.bytes);
    text.into()
}

/// Without the end of a line whose beginning is no longer kept.
fn whole_lines(piece: ConsolePiece) -> Bytes {
    let bytes = piece.bytes;
    if piece.missed_bytes == 0 {
        return bytes;
    }
    match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) => bytes.slice(end + 1..),
        None => bytes,
    }
}

/// The last lines.
fn tail(bytes: Bytes, lines: Option<u32>) -> Bytes {
    let Some(lines) = lines else { return bytes };
    let lines = usize::try_from(lines).unwrap_or(usize::MAX);
    if lines == 0 {
        return Bytes::new();
    }
    // The end of the last line is not the beginning of another one.
    let end = bytes.len() - usize::from(bytes.last() == Some(&b'\n'));
    let breaks = bytes[..end].iter().enumerate().rev();
    let mut breaks = breaks.filter(|(_, byte)| **byte == b'\n');
    match breaks.nth(lines - 1) {
        Some((at, _)) => bytes.slice(at + 1..),
        None => bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(text: &'static str, lines: u32) -> Bytes {
        tail(Bytes::from_static(text.as_bytes()), Some(lines))
    }

    #[test]
    fn the_last_lines_are_counted_with_and_without_an_end() {
        assert_eq!(last("a\nb\nc\n", 2), "b\nc\n");
        assert_eq!(last("a\nb\nc", 2), "b\nc");
        assert_eq!(last("a\nb\n", 5), "a\nb\n");
        assert_eq!(last("a\nb\n", 0), "");
        assert_eq!(last("", 3), "");
        assert_eq!(last("\n", 1), "\n");
    }

    #[test]
    fn half_a_line_is_left_out_and_what_is_missed_is_told() {
        let piece = |missed_bytes, text: &'static str| ConsolePiece {
            missed_bytes,
            bytes: Bytes::from_static(text.as_bytes()),
        };
        assert_eq!(whole_lines(piece(0, "one\ntwo")), "one\ntwo");
        assert_eq!(whole_lines(piece(7, "alf\ntwo")), "two");
        assert_eq!(shown(piece(0, "a")), "a");
        assert_eq!(shown(piece(7, "a")), "\n[7 bytes were missed]\na");
    }
}
