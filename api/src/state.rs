//! What every route can reach.

use std::{io, sync::Arc};

use thaw_runner::{Runner, functions::Functions};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::{
    auth::Auth, config::ApiConfig, dashboard::Dashboard, gate::Gate, images::Spool,
    metrics::Metrics,
};

/// See [`Parts::large_bodies`].
const LARGE_BODIES: usize = 2;

/// What every route can reach; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct App(Arc<Parts>);

#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) runner: Runner,
    pub(crate) functions: Functions,
    pub(crate) auth: Auth,
    /// Whether other machines can reach the service, so that it must not serve while authentication is off.
    pub(crate) exposed: bool,
    pub(crate) dashboard: Dashboard,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) gate: Gate,
    pub(crate) spool: Spool,
    /// Places for files as JSON that are larger than other JSON bodies may be, [`LARGE_BODIES`] at once: each takes a
    /// GiB of memory at the most. More wait, and their bodies are not read meanwhile.
    pub(crate) large_bodies: Semaphore,
    /// Tasks that throw away what still comes of refused requests: at most one a connection, for seconds.
    pub(crate) leftovers: TaskTracker,
}

impl App {
    pub(crate) fn new(
        runner: Runner,
        functions: Functions,
        auth: Auth,
        config: ApiConfig,
    ) -> Result<Self, OpenError> {
        let spool =
            Spool::open(&config.uploads, config.max_upload_bytes).map_err(OpenError::Uploads)?;
        let metrics = Arc::new(Metrics::new().map_err(OpenError::Metrics)?);
        let counted = Arc::clone(&metrics);
        functions.observe(move |observed| counted.function(observed));
        Ok(Self(Arc::new(Parts {
            runner,
            functions,
            auth,
            exposed: config.exposed,
            dashboard: config.dashboard,
            metrics,
            gate: Gate::new(config.allowed_hosts, config.allow_any_address),
            spool,
            large_bodies: Semaphore::new(LARGE_BODIES),
            leftovers: TaskTracker::new(),
        })))
    }
}

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// The service could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder for uploads could not be made or emptied.
    #[error("could not set up the folder for uploads")]
    Uploads(#[source] io::Error),
    /// Two metrics have the same name.
    #[error("could not set up the metrics")]
    Metrics(#[source] prometheus::Error),
}
