//! Request bodies: bounded, and with errors in our own shape.

use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, FromRequestParts, Query, Request},
    http::{HeaderMap, header, request::Parts},
};
use bytes::BytesMut;
use futures::StreamExt as _;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use thaw_api_types::{ErrorCode, limits::MAX_JSON_BODY_BYTES};

use crate::error::ApiError;

/// The largest body of a login, which anybody may send, in bytes.
pub(crate) const MAX_LOGIN_BYTES: usize = 64 << 10;

/// A JSON body.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        json(request, MAX_JSON_BODY_BYTES).await.map(Self)
    }
}

/// What a JSON body of at most so many bytes says.
pub(crate) async fn json<T: DeserializeOwned>(
    request: Request,
    limit: usize,
) -> Result<T, ApiError> {
    if media_type(request.headers()).as_deref() != Some("application/json") {
        return Err(ApiError::new(
            ErrorCode::UnsupportedMediaType,
            "this route takes JSON only",
        )
        .hint("send the header Content-Type: application/json"));
    }
    parse(&read(request, limit).await?)
}

/// Query parameters.
pub(crate) struct Parameters<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(parameters)) => Ok(Self(parameters)),
            Err(error) => Err(ApiError::new(ErrorCode::InvalidRequest, error.body_text())),
        }
    }
}

/// The content type without its parameters, in lower case.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let essence = value.split(';').next()?.trim();
    Some(essence.to_ascii_lowercase())
}

/// Whether the caller wants events.
pub(crate) fn wants_events(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|range| range.split(';').next())
        .any(|range| range.trim().eq_ignore_ascii_case("text/event-stream"))
}

pub(crate) fn too_large(limit: u64) -> ApiError {
    ApiError::new(
        ErrorCode::BodyTooLarge,
        format!("the body is larger than {limit} bytes"),
    )
}

pub(crate) fn cut_off() -> ApiError {
    ApiError::new(ErrorCode::BodyCutOff, "the body ended before it was whole")
}

/// The whole body.
pub(crate) async fn read(request: Request, limit: usize) -> Result<Bytes, ApiError> {
    let too_large = || too_large(limit as u64);
    let announced = content_length(request.headers());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    let mut pieces = Body::into_data_stream(request.into_body());
    let mut body = BytesMut::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| cut_off())?;
        if body.len() + piece.len() > limit {
            return Err(too_large());
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

pub(crate) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let not_json = |error: &serde_json::Error| {
        ApiError::new(ErrorCode::BadJson, format!("the body is not JSON: {error}"))
    };
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        match error.inner().classify() {
            Category::Syntax | Category::Eof | Category::Io => not_json(error.inner()),
            // It names the field, which serde_json alone does not.
            Category::Data => ApiError::new(ErrorCode::InvalidRequest, error.to_string())
                .hint("the fields are described at /docs"),
        }
    })?;
    reader.end().map_err(|error| not_json(&error))?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_wanted_when_they_are_named_and_not_when_anything_will_do() {
        let wants = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, value.parse().unwrap());
            wants_events(&headers)
        };
        assert!(wants("text/event-stream"));
        assert!(wants("application/json;q=0.5, Text/Event-Stream; q=1"));
        assert!(!wants("*/*"));
        assert!(!wants("application/json"));
    }
}
