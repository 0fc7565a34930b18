//! Sending what a program in the background has written, and what it writes next.

use thaw_guest_protocol::{DATA_CHUNK_BYTES, FrameKind, OutputPiece, OutputStream, Reply};

use super::program::Program;
use crate::{
    failure::OperationError,
    wire::{WireReader, WireWriter},
};

/// How far a reader has come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places {
    pub(super) stdout: u64,
    pub(super) stderr: u64,
}

/// Sends output until there is no more now, or, with `follow`, until the program's end. A reader that is slow holds up
/// nobody: what it is too slow for is no longer kept when it comes to it.
pub(super) async fn send(
    program: &Program,
    mut places: Places,
    follow: bool,
    input: &mut WireReader,
    output: &mut WireWriter,
) -> Result<(), OperationError> {
    let begin = program.info();
    // Without `follow` a program that never stops writing must come to an end here.
    let until = (!follow).then_some(Places {
        stdout: begin.stdout.written_bytes,
        stderr: begin.stderr.written_bytes,
    });
    output.json(FrameKind::Begun, &Reply::Exec(begin))?;
    // Before the first look, so that nothing is written unnoticed between a look and the wait after it.
    let mut changes = program.changes();
    let end = loop {
        changes.mark_unchanged();
        // It is looked at before the output: what an ended program wrote is all there.
        let info = program.info();
        let more = add(program, &mut places, until, output)?;
        if more || output.is_pending() {
            tokio::select! {
                biased;
                frame = input.next_frame() => drop(frame?),
                sent = output.drain() => sent?,
            }
        } else if !follow || info.end.is_some() {
            break program.info();
        } else {
            tokio::select! {
                // The host has nothing to say here; this is how its leaving is seen.
                frame = input.next_frame() => drop(frame?),
                // The sender is the program's, so it is there.
                _ = changes.changed() => {}
            }
        }
    };
    Ok(output.finish(FrameKind::Reply, &Reply::Exec(end)).await?)
}

/// Adds a piece of each stream, as far as there is room; whether there was one.
fn add(
    program: &Program,
    places: &mut Places,
    until: Option<Places>,
    output: &mut WireWriter,
) -> Result<bool, OperationError> {
    let mut added = false;
    let until = until.unwrap_or(Places {
        stdout: u64::MAX,
        stderr: u64::MAX,
    });
    let streams = [
        (OutputStream::Stdout, &mut places.stdout, until.stdout),
        (OutputStream::Stderr, &mut places.stderr, until.stderr),
    ];
    for (stream, place, until) in streams {
        if !output.has_room() {
            break;
        }
        let left = usize::try_from(until.saturating_sub(*place)).unwrap_or(usize::MAX);
        let most = left.min(DATA_CHUNK_BYTES - OutputPiece::HEAD_BYTES);
        let (from, bytes) = program.read(stream, *place, most);
        if bytes.is_empty() {
            continue;
        }
        let piece = OutputPiece {
            stream,
            from,
            bytes: &bytes,
        };
        output.data(FrameKind::Data, &piece.encode())?;
        *place = from + bytes.len() as u64;
        added = true;
    }
    Ok(added)
}
