//! Keys, and who one is.

use reqwest::Method;

use super::{Client, ClientError, admin::in_path};
use crate::{AuditList, AuditQuery, CreateKeyRequest, CreatedKey, KeyList, Whoami};

impl Client {
    /// Asks who one is to the server.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn whoami(&self) -> Result<Whoami, ClientError> {
        self.get("/v1/session").await
    }

    /// Lists the keys.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn keys(&self) -> Result<KeyList, ClientError> {
        self.get("/v1/keys").await
    }

    /// Makes a key.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn create_key(&self, request: &CreateKeyRequest) -> Result<CreatedKey, ClientError> {
        self.send_json(Method::POST, "/v1/keys", request).await
    }

    /// Revokes a key.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn revoke_key(&self, id_or_name: &str) -> Result<(), ClientError> {
        self.delete(&format!("/v1/keys/{}", in_path(id_or_name)))
            .await
    }

    /// Reads a page of the audit log.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn audit(&self, query: &AuditQuery) -> Result<AuditList, ClientError> {
        let mut path = format!("/v1/audit?limit={}", query.limit.unwrap_or(100));
        if let Some(before) = query.before {
            path.push_str(&format!("&before={before}"));
        }
        self.get(&path).await
    }
}
