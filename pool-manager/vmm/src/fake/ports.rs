//! The ports of a fake guest: on [`ECHO`] it sends back what it gets, and nothing listens on any other.

use thaw_guest_protocol::{FailureKind, FrameKind, Reply};

use super::agent::{Inbound, Outbound};

/// The port of RFC 862.
const ECHO: u16 = 7;

pub(super) async fn dial(port: u16, mut input: Inbound, output: &mut Outbound) {
    if port != ECHO {
        let message = format!("nothing listens on port {port} in the VM");
        return output.fail(FailureKind::ConnectionRefused, &message).await;
    }
    output.json(FrameKind::Begun, &Reply::Connected).await;
    while let Some(frame) = input.next().await {
        match frame.kind {
            FrameKind::Data => output.data(FrameKind::Data, &frame.payload).await,
            FrameKind::DataEnd => {
                output.data(FrameKind::DataEnd, &[]).await;
                return output.json(FrameKind::Reply, &Reply::Done).await;
            }
            _ => {}
        }
    }
}
