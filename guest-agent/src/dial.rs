//! Connections to the guest's own ports, carried over a stream of the host.
//!
//! ```text
//! host ── Data* DataEnd ──► port        a half that has ended is shut down, the other goes on
//! host ◄── Data* DataEnd ── port
//!    both halves ended ──► Done        the host left ──► the connection is closed
//! ```
//! Each direction holds one frame at most: a port that does not read holds up its caller, a caller that does not
//! read holds up the port, and neither holds up anybody else.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use bytes::{Buf as _, Bytes};
use thaw_guest_protocol::{DATA_CHUNK_BYTES, FailureKind, FrameKind, Reply};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    failure::OperationError,
    wire::{WireReader, WireWriter},
};

/// Where a server may listen that is meant for its own machine only; `localhost` is either.
const LOOPBACK: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
];

/// Connects to a port and carries the connection to its end.
///
/// # Errors
/// `ConnectionRefused` where nothing listens; [`OperationError::Gone`] when the host left.
pub(crate) async fn dial(
    port: u16,
    mut input: WireReader,
    output: &mut WireWriter,
) -> Result<(), OperationError> {
    let stream = connect(port).await?;
    output.json(FrameKind::Begun, &Reply::Connected)?;
    carry(stream, &mut input, output).await?;
    Ok(output.finish(FrameKind::Reply, &Reply::Done).await?)
}

async fn connect(port: u16) -> Result<TcpStream, OperationError> {
    let attempt = || format!("connect to port {port}");
    let mut first = None;
    for address in LOOPBACK {
        match TcpStream::connect((address, port)).await {
            Ok(stream) => {
                let set = stream.set_nodelay(true);
                set.map_err(|error| OperationError::io(&attempt(), &error))?;
                return Ok(stream);
            }
            // A kernel without IPv6 has no ::1; what 127.0.0.1 said is what counts.
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(match first {
        Some(error) if error.kind() != io::ErrorKind::ConnectionRefused => {
            OperationError::io(&attempt(), &error)
        }
        _ => OperationError::refused(
            FailureKind::ConnectionRefused,
            format!("nothing listens on port {port} in the VM"),
        ),
    })
}

async fn carry(
    mut stream: TcpStream,
    input: &mut WireReader,
    output: &mut WireWriter,
) -> Result<(), OperationError> {
    let (mut from, mut to) = stream.split();
    let mut scratch = vec![0; DATA_CHUNK_BYTES].into_boxed_slice();
    let mut waiting = Bytes::new();
    // Whether the port still takes something, and whether it still sends.
    let (mut takes, mut sends) = (true, true);
    while takes || sends || output.is_pending() {
        let room = output.has_room();
        tokio::select! {
            biased;
            sent = output.drain(), if output.is_pending() => sent?,
            // After its end, this is how the host's leaving is seen.
            frame = input.next_frame(), if waiting.is_empty() => {
                let frame = frame?;
                match frame.kind {
                    FrameKind::Data if takes => waiting = frame.payload,
                    FrameKind::DataEnd => {
                        takes = false;
                        // It may have closed by itself in this moment.
                        let _ = to.shutdown().await;
                    }
                    // More than the port takes, or what does not belong here.
                    _ => {}
                }
            }
            written = to.write(&waiting), if !waiting.is_empty() => match written {
                Ok(bytes) => waiting.advance(bytes),
                // It reads no more; it may still say something.
                Err(_) => {
                    waiting.clear();
                    takes = false;
                }
            },
            got = from.read(&mut scratch), if sends && room => match got {
                Ok(0) => {
                    sends = false;
                    output.data(FrameKind::DataEnd, &[])?;
                }
                Ok(bytes) => output.data(FrameKind::Data, &scratch[..bytes])?,
                Err(error) => {
                    return Err(OperationError::io("read from the port", &error));
                }
            },
        }
    }
    Ok(())
}
