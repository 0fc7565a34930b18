//! Sending requests and reading answers.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, header};
use serde::{Serialize, de::DeserializeOwned};

use super::ClientError;
use crate::ErrorBody;

/// Where the daemon listens by default.
pub const DEFAULT_SERVER: &str = "http://127.0.0.1:8000";
/// The environment variable with the server's address.
pub const SERVER_VARIABLE: &str = "THAW_SERVER";
/// The environment variable with the API key.
pub const API_KEY_VARIABLE: &str = "THAW_API_KEY";

/// How long to wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How much of a strange answer is shown.
const SHOWN_CHARS: usize = 200;

/// A client of one server. Cheap to clone; connections are reused.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    server: String,
}

impl Client {
    /// A client of the server at this address, such as `http://127.0.0.1:8000`.
    ///
    /// # Errors
    /// [`ClientError::BadServer`] and [`ClientError::BadKey`].
    pub fn new(server: &str, api_key: Option<&str>) -> Result<Self, ClientError> {
        let url = reqwest::Url::parse(server)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| ClientError::BadServer(server.to_owned()))?;
        let mut headers = header::HeaderMap::new();
        if let Some(key) = api_key {
            let mut value = header::HeaderValue::try_from(format!("Bearer {key}"))
                .map_err(|_| ClientError::BadKey)?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        let server = url.as_str().trim_end_matches('/').to_owned();
        let http = reqwest::Client::builder()
            .default_headers(headers)
            .user_agent(concat!("thaw/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|source| ClientError::Connect {
                server: server.clone(),
                source,
            })?;
        Ok(Self { http, server })
    }

    /// A client of the server that `THAW_SERVER` and `THAW_API_KEY` name, else of [`DEFAULT_SERVER`].
    ///
    /// # Errors
    /// Those of [`Client::new`].
    pub fn from_env() -> Result<Self, ClientError> {
        let server = std::env::var(SERVER_VARIABLE).unwrap_or_else(|_| DEFAULT_SERVER.to_owned());
        let key = std::env::var(API_KEY_VARIABLE).ok();
        Self::new(&server, key.as_deref())
    }

    /// The server's address.
    pub fn server(&self) -> &str {
        &self.server
    }

    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.server))
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.json(self.request(Method::GET, path)).await
    }

    pub(super) async fn get_with<Q: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        query: &Q,
    ) -> Result<T, ClientError> {
        self.json(self.request(Method::GET, path).query(query))
            .await
    }

    /// Asks for something that needs no more words.
    pub(super) async fn post<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.json(self.request(Method::POST, path)).await
    }

    pub(super) async fn send_json<B: Serialize + ?Sized, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &B,
    ) -> Result<T, ClientError> {
        self.json(self.request(method, path).json(body)).await
    }

    pub(super) async fn delete(&self, path: &str) -> Result<(), ClientError> {
        self.answer(self.request(Method::DELETE, path)).await?;
        Ok(())
    }

    pub(super) async fn json<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
    ) -> Result<T, ClientError> {
        let response = self.answer(request).await?;
        response.json().await.map_err(ClientError::Answer)
    }

    /// Sends a request and returns an answer of success.
    pub(super) async fn answer(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        self.answer_with(request, |status| status.is_success())
            .await
    }

    /// Sends a request and returns an answer whose status is good.
    pub(super) async fn answer_with(
        &self,
        request: RequestBuilder,
        is_good: impl FnOnce(reqwest::StatusCode) -> bool,
    ) -> Result<Response, ClientError> {
        let response = request.send().await.map_err(|source| self.failed(source))?;
        let status = response.status();
        if is_good(status) {
            return Ok(response);
        }
        let body = response.text().await.map_err(ClientError::Answer)?;
        match serde_json::from_str::<ErrorBody>(&body) {
            Ok(body) => Err(body.into()),
            Err(_) => Err(ClientError::NotThaw {
                status: status.as_u16(),
                body: body.chars().take(SHOWN_CHARS).collect(),
            }),
        }
    }

    fn failed(&self, source: reqwest::Error) -> ClientError {
        if source.is_body() || source.is_decode() {
            ClientError::Answer(source)
        } else {
            ClientError::Connect {
                server: self.server.clone(),
                source,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_a_scheme_is_refused_and_not_guessed() {
        for server in ["127.0.0.1:8000", "ftp://host", "", "http://"] {
            assert!(matches!(
                Client::new(server, None),
                Err(ClientError::BadServer(_))
            ));
        }
    }

    #[test]
    fn a_key_never_shows_in_debug_output() {
        let client = Client::new("http://127.0.0.1:8000/", Some("thaw_secret")).unwrap();
        assert_eq!(client.server(), DEFAULT_SERVER);
        assert!(!format!("{client:?}").contains("thaw_secret"));
    }
}
