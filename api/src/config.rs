//! How the service is set up.

use std::{path::PathBuf, time::Duration};

use crate::dashboard::Dashboard;

/// What the service needs to know besides its runner.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// Where uploads are spooled; the folder is made, and emptied of what a killed process left.
    pub uploads: PathBuf,
    /// The largest upload, in bytes. Default: 20 GiB.
    pub max_upload_bytes: u64,
    /// Names that this server answers for besides `localhost` and loopback addresses, without ports.
    pub allowed_hosts: Vec<String>,
    /// Answer for every address too, though not for every name: a listener beyond loopback needs it.
    pub allow_any_address: bool,
    /// Whether other machines can reach the service and nobody said that this is fine without authentication: while
    /// that is off, nothing is served. Default: false.
    pub exposed: bool,
    /// What is served below `/dashboard/`. Default: nothing.
    pub dashboard: Dashboard,
}

impl ApiConfig {
    /// The defaults, with this folder for uploads.
    pub fn new(uploads: PathBuf) -> Self {
        Self {
            uploads,
            max_upload_bytes: 20 << 30,
            allowed_hosts: Vec::new(),
            allow_any_address: false,
            exposed: false,
            dashboard: Dashboard::default(),
        }
    }
}

/// How the server listens and stops.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Connections at once; more wait in the kernel's backlog. Default: 1,024.
    pub max_connections: usize,
    /// How long requests that run may take to end once the server was told to stop. Default: 10 s.
    pub grace: Duration,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            max_connections: 1024,
            grace: Duration::from_secs(10),
        }
    }
}
