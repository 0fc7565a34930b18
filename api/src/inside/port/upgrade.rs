//! Bytes between the two sides of an upgraded connection.

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;

/// Joins the two until both halves of either have ended, or one of them breaks off.
pub(super) async fn join(caller: OnUpgrade, guest: OnUpgrade) {
    let (caller, guest) = match tokio::try_join!(caller, guest) {
        Ok(sides) => sides,
        // The one that is there is closed with it.
        Err(error) => return tracing::debug!(%error, "an upgrade came to nothing"),
    };
    let (mut caller, mut guest) = (TokioIo::new(caller), TokioIo::new(guest));
    if let Err(error) = copy_bidirectional(&mut caller, &mut guest).await {
        tracing::debug!(%error, "an upgraded connection broke off");
    }
}
