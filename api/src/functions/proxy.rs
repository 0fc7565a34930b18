//! Requests for functions of kind http: carried to their port as they are, streamed both ways.
//!
//! The function's pages share this server's origin with everything else on it, so they get no credentials of
//! it and no cookies, and browsers are told to keep them in a sandbox.

use axum::{
    Extension,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Uri, header},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use thaw_api_types::{ErrorBody, ErrorCode, invoke_headers as names};
use thaw_runner::{
    functions::{Invocation, Way},
    node::vmm::protocol::HOOK_HEADER,
};

use super::{
    invoke::{START_WITHIN, start, turn_of},
    request_id::request_id,
};
use crate::{auth::Identity, convert, error::ApiError, failure, state::App};

/// What belongs to one connection only (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [HeaderName; 7] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Send a request to a function of kind http
///
/// Any method. The function sees the path after `/http`, as it was encoded, the query, the headers and the body, but for
/// `Authorization`, `Cookie` and `x-thaw-hook`; `Set-Cookie` of its answer is left out. The header `x-thaw-qualifier` names a
/// version or an alias. Both bodies are streamed.
#[utoipa::path(
    get,
    path = "/v1/functions/{name}/http/{path}",
    tag = "functions",
    params(
        ("name" = String, Path, description = "The function's name"),
        ("path" = String, Path, description = "The path that the function sees"),
    ),
    responses(
        (status = 200, description = "What the function answers, with its own status"),
        (status = "4XX", description = "The request can't be done", body = ErrorBody),
        (status = "5XX", description = "It could not be done", body = ErrorBody),
    ),
)]
pub(crate) async fn http(
    State(app): State<App>,
    identity: Option<Extension<Identity>>,
    request: Request,
) -> Result<Response, ApiError> {
    let id_header = HeaderName::from_static(names::REQUEST_ID);
    let id = request_id(request.headers(), &id_header)?;
    let qualifier = request.headers().get("x-thaw-qualifier");
    let qualifier = qualifier.and_then(|value| value.to_str().ok());
    let (function, target) = target(request.uri());
    let call = Invocation {
        function,
        qualifier: qualifier.map(str::to_owned),
        key: turn_of(identity.as_deref()),
        request_id: id.clone(),
        content_type: None,
        client_context: None,
        event: Bytes::new(),
        way: Way::Connection,
        start_within: START_WITHIN,
    };
    let request = inward(request, &target)?;
    let connected = app.functions.connect(call).await;
    let connected = connected.map_err(|error| failure::invoke(&error))?;
    let failed = |error: hyper::Error| {
        ApiError::new(
            ErrorCode::FunctionNoAnswer,
            format!("the function gave no answer: {error}"),
        )
        .hint("GET /v1/functions/{name}/logs says more")
    };
    let (version, kind) = (connected.version, convert::start_kind(connected.start));
    let io = TokioIo::new(connected.stream);
    let handshake = hyper::client::conn::http1::handshake(io).await;
    let (mut sender, connection) = handshake.map_err(failed)?;
    // It ends with its stream, which ends with the answer's body or the function.
    app.functions.mind(async move { drop(connection.await) });
    let answer = sender.send_request(request).await.map_err(failed)?;
    let mut response = outward(answer.map(Body::new));
    let headers = response.headers_mut();
    let mut put = |name: &'static str, value: String| {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    put(names::REQUEST_ID, id);
    put(names::VERSION, version.to_string());
    put(names::START, start(kind).to_owned());
    Ok(response)
}

/// Which function, and what is asked of it: `/v1/functions/{name}/http/…`. What is percent-encoded stays so.
fn target(uri: &Uri) -> (String, String) {
    let mut parts = uri.path().splitn(6, '/').skip(3);
    let name = percent_decode_str(parts.next().unwrap_or_default());
    let name = name.decode_utf8_lossy().into_owned();
    let path = parts.nth(1).unwrap_or_default();
    let query = uri.query().map(|query| format!("?{query}"));
    (name, format!("/{path}{}", query.unwrap_or_default()))
}

/// The request as the function sees it.
fn inward(request: Request, target: &str) -> Result<Request, ApiError> {
    let (mut parts, body) = request.into_parts();
    parts.uri = target.parse::<Uri>().map_err(|error| {
        ApiError::new(
            ErrorCode::InvalidRequest,
            format!("the path is none: {error}"),
        )
    })?;
    parts.version = axum::http::Version::HTTP_11;
    let hook = HeaderName::from_static(HOOK_HEADER);
    strip(
        &mut parts.headers,
        &[header::AUTHORIZATION, header::COOKIE, hook],
    );
    parts
        .headers
        .insert(header::HOST, HeaderValue::from_static("localhost"));
    parts
        .headers
        .insert(header::CONNECTION, HeaderValue::from_static("close"));
    Ok(Request::from_parts(parts, body))
}

fn outward(answer: axum::http::Response<Body>) -> Response {
    let mut response = answer.into_response();
    strip(response.headers_mut(), &[header::SET_COOKIE]);
    response.headers_mut().insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("sandbox allow-scripts allow-forms"),
    );
    response
}

fn strip(headers: &mut HeaderMap, more: &[HeaderName]) {
    for name in HOP_BY_HOP.iter().chain(more) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_passed_on_as_it_came() {
        for (uri, name, passed_on) in [
            ("/v1/functions/site/http/", "site", "/"),
            ("/v1/functions/site/http/a/b?c=%2F", "site", "/a/b?c=%2F"),
            (
                "/v1/functions/site/http/a%2Fb%20c/%ff//",
                "site",
                "/a%2Fb%20c/%ff//",
            ),
            ("/v1/functions/s%69te/http/http/x?", "site", "/http/x?"),
        ] {
            let (function, target) = target(&uri.parse().unwrap());
            assert_eq!((function.as_str(), target.as_str()), (name, passed_on));
        }
    }
}
