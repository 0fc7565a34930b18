//! A daemon inside this process, for a command that needs one and finds none.

use std::future::Future;

use anyhow::Result;
use thaw_api_types::client::Client;
use thaw_runner::RunnerLimits;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    arguments::Storage,
    daemon::{Daemon, Reach},
};

/// Runs `work` against a daemon on loopback that is opened before it and closed after it.
///
/// # Errors
/// When the daemon can't be opened or fails, and what `work` fails with.
pub(crate) async fn inside<T, F>(storage: &Storage, work: impl FnOnce(Client) -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let (reach, key) = Reach::inside()?;
    let daemon = Daemon::open(storage, &reach, RunnerLimits::default()).await?;
    let client = Client::new(&format!("http://{}", daemon.address), Some(key.expose()))?;
    let stop = CancellationToken::new();
    let mut serving = JoinSet::new();
    serving.spawn(daemon.serve(stop.clone()));
    let done = work(client).await;
    stop.cancel();
    while let Some(served) = serving.join_next().await {
        served??;
    }
    done
}
