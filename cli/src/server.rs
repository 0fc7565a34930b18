//! Which server a command talks to.

use anyhow::Result;
use thaw_api_types::client::{API_KEY_VARIABLE, Client, DEFAULT_SERVER};

use crate::arguments::Connection;

/// A client of the server that the command line or the environment names, else of the default one.
///
/// # Errors
/// When the address or the key makes no sense.
pub(crate) fn connect(connection: &Connection) -> Result<Client> {
    let server = connection.server.as_deref().unwrap_or(DEFAULT_SERVER);
    Ok(Client::new(server, api_key().as_deref())?)
}

fn api_key() -> Option<String> {
    std::env::var(API_KEY_VARIABLE).ok()
}
