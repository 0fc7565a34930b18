//! What routes of this surface take out of a request: bounded, and refused in this surface's shape.

use axum::{
    extract::{FromRequest, FromRequestParts, Path, Query, Request, ws::WebSocketUpgrade},
    http::{StatusCode, request::Parts},
};
use serde_json::Value;
use thaw_api_types::limits::MAX_JSON_BODY_BYTES;

use super::{
    error::{Detail, Problem},
    fields::Fields,
    routes::unknown,
};
use crate::{
    auth::is_websocket,
    body::{MAX_LOGIN_BYTES, read},
    form::Form,
};

/// The fields of a JSON body of at most [`MAX_JSON_BODY_BYTES`].
pub(super) struct Posted(pub(super) Fields);

impl<S: Sync> FromRequest<S> for Posted {
    type Rejection = Detail;

    async fn from_request(request: Request, _: &S) -> Result<Self, Detail> {
        let body = read(request, MAX_JSON_BODY_BYTES).await?;
        Fields::of_body(&body).map(Self)
    }
}

/// The fields of a body that anybody may send; little of it is taken.
pub(super) async fn login_fields(request: Request) -> Result<Fields, Detail> {
    let body = read(request, MAX_LOGIN_BYTES).await?;
    Fields::of_body(&body)
}

/// The fields of a query.
pub(super) struct Asked(pub(super) Fields);

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Detail;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Detail> {
        let pairs = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        match pairs {
            Ok(Query(pairs)) => Ok(Self(Fields::of_pairs("query", pairs))),
            Err(error) => Err(invalid("query", "", error.body_text())),
        }
    }
}

/// The id in a path, decoded. It is only ever compared, never a path of the host.
pub(super) struct Id(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Detail;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Detail> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(id)) => Ok(Self(id)),
            Err(error) => Err(invalid("path", "id", error.body_text())),
        }
    }
}

/// A form. Whoever reads it bounds its fields.
pub(super) struct PostedForm(pub(super) Form);

impl<S: Send + Sync> FromRequest<S> for PostedForm {
    type Rejection = Detail;

    async fn from_request(request: Request, _: &S) -> Result<Self, Detail> {
        match Form::of(request).await {
            Ok(form) => Ok(Self(form)),
            Err(error) => Err(invalid("body", "", error.body_text())),
        }
    }
}

/// A WebSocket. To other requests there is nothing here, as on BandSox's server.
pub(super) struct Socket(pub(super) WebSocketUpgrade);

impl<S: Send + Sync> FromRequestParts<S> for Socket {
    type Rejection = Detail;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Detail> {
        let upgrade = WebSocketUpgrade::from_request_parts(parts, state).await;
        upgrade
            .map(Self)
            .map_err(|error| match is_websocket(&parts.headers) {
                true => Detail::new(StatusCode::BAD_REQUEST, error.body_text()),
                false => unknown(),
            })
    }
}

fn invalid(place: &'static str, field: &str, message: String) -> Detail {
    Detail::invalid(vec![Problem {
        place,
        field: field.to_owned(),
        kind: "value_error",
        message,
        input: Value::Null,
    }])
}
