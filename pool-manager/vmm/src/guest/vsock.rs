//! Reaching an agent over vsock, where the host has it.
//!
//! A vsock connection can only be made while the guest runs, and while its kernel boots nobody listens:
//! the connection is refused and tried again until the boot's own deadline drops the attempt.

use std::{future::Future, io, time::Duration};

use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_vsock::{VsockAddr, VsockStream};

/// Between two attempts to reach a guest that does not listen yet.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(20);

/// Connects to the agent of the guest with this context id (vsock(7)).
pub(crate) async fn connect(cid: u32) -> io::Result<VsockStream> {
    let address = VsockAddr::new(cid, thaw_guest_protocol::VSOCK_PORT);
    dial(|| VsockStream::connect(address)).await
}

/// Dials until somebody listens. What is not a refusal ends the attempt.
async fn dial<T, F, D>(mut dial: D) -> io::Result<T>
where
    D: FnMut() -> F,
    F: Future<Output = io::Result<T>>,
{
    let mut pace = pace();
    loop {
        pace.tick().await;
        match dial().await {
            Err(error) if nobody_listens(&error) => {}
            answer => return answer,
        }
    }
}

fn pace() -> Interval {
    let mut pace = interval(BETWEEN_ATTEMPTS);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pace
}

fn nobody_listens(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, NotConnected, TimedOut};
    let not_there_yet = matches!(
        error.kind(),
        ConnectionRefused | ConnectionReset | NotConnected | TimedOut
    );
    // Until the guest's driver is loaded there is no such address at all.
    not_there_yet || error.raw_os_error() == Some(libc::ENODEV)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GuestConnection;
    use futures::AsyncReadExt as _;
    use thaw_guest_protocol::{FrameDecoder, FrameKind, Opening, Request};
    use tokio::net::UnixStream;
    use tokio_util::compat::TokioAsyncReadCompatExt as _;

    #[tokio::test(start_paused = true)]
    async fn a_guest_that_does_not_listen_yet_is_tried_again() {
        let mut attempts = 0;
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let mut ours = Some(ours);
        let stream = dial(|| {
            attempts += 1;
            let answer = match attempts {
                1 => Err(io::ErrorKind::ConnectionReset.into()),
                2 => Err(io::Error::from_raw_os_error(libc::ENODEV)),
                _ => Ok(ours.take().unwrap()),
            };
            std::future::ready(answer)
        })
        .await;
        assert!(stream.is_ok());
        assert_eq!(attempts, 3);
    }

    #[tokio::test]
    async fn what_is_no_refusal_is_an_error_at_once() {
        let denied = || std::future::ready(Err::<(), _>(io::ErrorKind::PermissionDenied.into()));
        let error = dial(denied).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    }

    #[tokio::test]
    async fn a_request_made_before_the_connection_stands_reaches_the_agent() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let connection = GuestConnection::connecting(async move {
            dial(|| std::future::ready(Ok(()))).await.map(|()| ours)
        });
        let opening = Opening {
            wake: None,
            request: Request::Info,
        };
        let call = connection.call(&opening);
        let agent = async {
            let mut mux = yamux::Connection::new(
                theirs.compat(),
                yamux::Config::default(),
                yamux::Mode::Server,
            );
            let mut stream = futures::future::poll_fn(|cx| mux.poll_next_inbound(cx))
                .await
                .unwrap()
                .unwrap();
            let mut bytes = [0; 512];
            let read = async {
                let mut decoder = FrameDecoder::default();
                loop {
                    let read = stream.read(&mut bytes).await.unwrap();
                    decoder.push(&bytes[..read]);
                    if let Some(frame) = decoder.next_frame().unwrap() {
                        return frame;
                    }
                }
            };
            let drive = futures::future::poll_fn(|cx| mux.poll_next_inbound(cx));
            tokio::select! { frame = read => frame, _ = drive => panic!("the connection ended") }
        };
        let frame =
            tokio::select! { frame = agent => frame, _ = call => panic!("nobody answered") };
        assert_eq!(frame.kind, FrameKind::Opening);
        assert_eq!(frame.json::<Opening>().unwrap(), opening);
    }
}
