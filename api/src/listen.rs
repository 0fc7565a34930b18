//! Where the service may listen, and the listener itself.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use socket2::{SockRef, TcpKeepalive};
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};

/// The service does not listen.
#[derive(Debug, Error)]
pub enum ListenError {
    /// Everyone who reaches the address could run programs.
    #[error(
        "{0} can be reached from other machines, and authentication is off; turn it on with `thaw auth init`, listen on 127.0.0.1, or add --insecure if the network keeps strangers out"
    )]
    NotLoopback(SocketAddr),
    /// The address can't be had.
    #[error("could not listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Listens on an address. One that other machines can reach is refused unless authentication is on, or `insecure`.
///
/// # Errors
/// See [`ListenError`].
pub async fn listen(
    address: SocketAddr,
    auth_is_on: bool,
    insecure: bool,
) -> Result<TcpListener, ListenError> {
    if !auth_is_on && !insecure && !is_loopback(address.ip()) {
        return Err(ListenError::NotLoopback(address));
    }
    TcpListener::bind(address)
        .await
        .map_err(|source| ListenError::Bind { address, source })
}

/// Whether only this machine can reach an address.
pub fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// A listener with a bound on connections; when it is reached, new ones wait in the kernel's backlog.
pub(crate) struct BoundedListener {
    listener: TcpListener,
    places: Arc<Semaphore>,
}

impl BoundedListener {
    pub(crate) fn new(listener: TcpListener, places: usize) -> Self {
        Self {
            listener,
            places: Arc::new(Semaphore::new(places)),
        }
    }
}

impl Listener for BoundedListener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        // This retries by itself, and waits where the process is out of descriptors.
        let (stream, address) = Listener::accept(&mut self.listener).await;
        // Answers are small and awaited: don't hold them back to fill a packet.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "could not set TCP_NODELAY");
        }
        if let Err(error) = SockRef::from(&stream).set_tcp_keepalive(&keepalive()) {
            tracing::debug!(%error, "could not set keepalive");
        }
        let connection = Connection {
            stream,
            _place: place,
        };
        (connection, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A peer that vanished is missed after a minute. The peer's kernel answers, so one that only does not read for a
/// while, such as a pager at the end of a page, is not taken for gone.
fn keepalive() -> TcpKeepalive {
    TcpKeepalive::new()
        .with_time(Duration::from_secs(20))
        .with_interval(Duration::from_secs(10))
        .with_retries(4)
}

/// Who a connection comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

impl Connected<IncomingStream<'_, BoundedListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, BoundedListener>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// A connection and its place.
pub(crate) struct Connection {
    stream: TcpStream,
    _place: Option<OwnedSemaphorePermit>,
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_that_others_can_reach_is_refused_unless_that_is_wanted() {
        let open: SocketAddr = "0.0.0.0:0".parse().unwrap();
        let error = listen(open, false, false).await.unwrap_err();
        assert!(error.to_string().contains("--insecure"));
        assert!(listen(open, false, true).await.is_ok());
        assert!(listen(open, true, false).await.is_ok());
        assert!(
            listen("127.0.0.1:0".parse().unwrap(), false, false)
                .await
                .is_ok()
        );
    }
}
