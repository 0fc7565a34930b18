//! Which server a command talks to, and with which key.

use anyhow::Result;
use thaw_api_types::client::{API_KEY_VARIABLE, Client, DEFAULT_SERVER};

use crate::{arguments::Connection, credentials::Credentials};

/// A client of the server that the command line or the environment names, else of the default one. Its key is that
/// of THAW_API_KEY, else the one that the credentials file has for this server.
///
/// # Errors
/// When the address or the key makes no sense, or the credentials file is not its owner's alone.
pub(crate) fn connect(connection: &Connection) -> Result<Client> {
    let server = connection.server.as_deref().unwrap_or(DEFAULT_SERVER);
    let key = match std::env::var(API_KEY_VARIABLE) {
        Ok(key) if !key.is_empty() => Some(key),
        _ => Credentials::read()?.key(server),
    };
    Ok(Client::new(server, key.as_deref())?)
}
