//! Serving until told to stop.
//!
//! ```text
//! serving ──stop──► no new connections, running requests go on ──all ended──► Stopped::Drained
//!                                                              ──grace is up─► Stopped::GraceOver
//! ```

use std::io;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{config::ServerConfig, listen::BoundedListener, router::Service};

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Stopped {
    /// Every request had its answer.
    Drained,
    /// Requests were still running when the grace period was over. They end with the node that they run on.
    GraceOver,
}

/// Serves until `stop` is cancelled, then for the grace period those who are there.
///
/// # Errors
/// When the listener fails for good.
pub async fn serve(
    listener: TcpListener,
    service: Service,
    config: &ServerConfig,
    stop: CancellationToken,
) -> io::Result<Stopped> {
    let runner = service.runner().clone();
    let listener = BoundedListener::new(listener, config.max_connections);
    let serving = axum::serve(listener, service.into_make_service())
        .with_graceful_shutdown(stop.clone().cancelled_owned())
        .into_future();
    let grace_over = async {
        stop.cancelled().await;
        // Streams of events would hold their connections open.
        runner.refuse_more();
        // A deadline and nothing else: whatever ends earlier ends `serving`.
        let _ = tokio::time::timeout(config.grace, std::future::pending::<()>()).await;
    };
    tokio::select! {
        ended = serving => ended.map(|()| Stopped::Drained),
        () = grace_over => Ok(Stopped::GraceOver),
    }
}
