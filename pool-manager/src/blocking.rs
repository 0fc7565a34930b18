//! File work away from the threads that serve.

use std::panic::resume_unwind;

/// Runs `work` where it may block and returns what it returns; its panic is the caller's.
///
/// # Cancel safety
/// Work that has begun goes on; what it owns is dropped when it ends.
pub(crate) async fn blocking<T, W>(work: W) -> T
where
    T: Send + 'static,
    W: FnOnce() -> T + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // Only when the runtime shuts down, and then nobody polls this any more.
            Err(_) => std::future::pending().await,
        },
    }
}
