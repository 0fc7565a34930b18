//! `/v1/vms/{id}/ports/{port}/…`

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, Version, header},
    response::{IntoResponse as _, Response},
};
use percent_encoding::percent_decode_str;
use thaw_api_types::{ErrorBody, ErrorCode, limits::MAX_NAME_CHARS};

use super::{
    connect::{connect, no_answer},
    headers::{Place, inward, outward},
    upgrade::join,
};
use crate::{error::ApiError, state::App};

/// Send a request to a port inside a VM
///
/// Any method, WebSockets and other upgrades too. The server in the VM sees the path after the port, the query, the
/// headers and the body as they are, but for `Authorization` and `Cookie`, and `localhost:PORT` as its host. Both
/// bodies are streamed. Of its answer `Set-Cookie` and what else would hold for this whole server is left out,
/// redirects to itself lead back here, and browsers are told to keep its pages in a sandbox. It may listen on
/// 127.0.0.1, ::1 or all addresses of the VM. A VM that was paused because nobody used it is woken, and stays awake
/// until the answer has ended.
#[utoipa::path(
    get,
    path = "/v1/vms/{id}/ports/{port}/{path}",
    tag = "inside",
    params(
        ("id" = String, Path, description = "The VM's id or name"),
        ("port" = u16, Path, description = "The port: 1 to 65535"),
        ("path" = String, Path, description = "The path that the server in the VM sees"),
    ),
    responses(
        (status = 200, description = "What the server in the VM answers, with its own status"),
        (status = 101, description = "The server in the VM has taken the upgrade"),
        (status = "4XX", description = "The request can't be done", body = ErrorBody),
        (status = "5XX", description = "It could not be done", body = ErrorBody),
    ),
)]
pub(crate) async fn proxy(
    State(app): State<App>,
    mut request: Request,
) -> Result<Response, ApiError> {
    let (vm, place) = place(request.uri())?;
    let wanted = upgrade_of(request.headers());
    let caller = wanted.is_some().then(|| hyper::upgrade::on(&mut request));
    let request = into_guest(request, &place, wanted)?;
    let mut sender = connect(&app, &vm, place.port).await?;
    let answer = sender.send_request(request).await;
    let mut answer = answer.map_err(|error| no_answer(place.port, &error))?;
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(out_of_guest(answer.map(Body::new), &place));
    }
    let caller = caller.ok_or_else(|| {
        let port = place.port;
        let what = format!("what listens on port {port} in the VM changed to a protocol unasked");
        ApiError::new(ErrorCode::PortNoAnswer, what)
    })?;
    let protocol = answer.headers().get(header::UPGRADE).cloned();
    app.runner
        .tend(join(caller, hyper::upgrade::on(&mut answer)));
    let mut response = out_of_guest(answer.map(|_| Body::empty()), &place);
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    if let Some(protocol) = protocol {
        headers.insert(header::UPGRADE, protocol);
    }
    Ok(response)
}

/// Which VM, and which of its ports: `/v1/vms/{id}/ports/{port}/…`.
fn place(uri: &Uri) -> Result<(String, Place), ApiError> {
    let parts: Vec<_> = uri.path().split('/').take(6).collect();
    let part = |index: usize| {
        let part = parts.get(index).copied().unwrap_or_default();
        percent_decode_str(part).decode_utf8_lossy().into_owned()
    };
    let (vm, port) = (part(3), part(5));
    let mut problems = Vec::new();
    if vm.chars().count() > MAX_NAME_CHARS {
        problems.push(format!(
            "ids and names have at most {MAX_NAME_CHARS} characters"
        ));
    }
    let number = port.parse().ok().filter(|port| *port > 0);
    if number.is_none() {
        problems.push(format!("{port:?} is no port; ports are 1 to 65535"));
    }
    match number {
        Some(port) if problems.is_empty() => {
            let prefix = parts.join("/");
            Ok((vm, Place { port, prefix }))
        }
        _ => Err(ApiError::invalid(&problems)),
    }
}

/// The protocol that a request wants to change to.
fn upgrade_of(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut words = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    let asked = words.any(|word| word.trim().eq_ignore_ascii_case("upgrade"));
    headers.get(header::UPGRADE).filter(|_| asked).cloned()
}

/// The request as the server in the guest sees it. What is percent-encoded stays so.
fn into_guest(
    request: Request,
    place: &Place,
    upgrade: Option<HeaderValue>,
) -> Result<Request, ApiError> {
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path().get(place.prefix.len()..).unwrap_or("");
    let query = parts.uri.query().map(|query| format!("?{query}"));
    let target = format!("{path}{}", query.unwrap_or_default());
    parts.uri = target.parse::<Uri>().map_err(|error| {
        ApiError::new(
            ErrorCode::InvalidRequest,
            format!("the path is none: {error}"),
        )
    })?;
    parts.version = Version::HTTP_11;
    inward(&mut parts.headers, place, upgrade);
    Ok(Request::from_parts(parts, body))
}

fn out_of_guest(answer: axum::http::Response<Body>, place: &Place) -> Response {
    let mut response = answer.into_response();
    outward(response.headers_mut(), place);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(path: &str) -> String {
        let uri: Uri = path.parse().unwrap();
        let (_, place) = place(&uri).unwrap();
        let request = Request::builder().uri(uri).body(Body::empty()).unwrap();
        let request = into_guest(request, &place, None).unwrap();
        request.uri().to_string()
    }

    #[test]
    fn a_guest_sees_the_path_after_the_port_as_it_was_sent() {
        assert_eq!(seen("/v1/vms/web/ports/8080/"), "/");
        assert_eq!(seen("/v1/vms/web/ports/8080/a/b?c=d%26"), "/a/b?c=d%26");
        assert_eq!(seen("/v1/vms/w%2Fb/ports/8080/a%2Fb/%20"), "/a%2Fb/%20");
        assert_eq!(seen("/v1/vms/web/ports/8080//x/../y"), "//x/../y");
    }

    #[test]
    fn a_vm_s_name_may_hold_anything() {
        let uri = Uri::from_static("/v1/vms/w%2F%C3%BC/ports/80/x");
        let (vm, place) = place(&uri).unwrap();
        assert_eq!((vm.as_str(), place.port), ("w/ü", 80));
        assert_eq!(place.prefix, "/v1/vms/w%2F%C3%BC/ports/80");
    }

    #[test]
    fn what_is_no_port_is_told() {
        for port in ["0", "65536", "-1", "http", ""] {
            let uri = format!("/v1/vms/web/ports/{port}/").parse().unwrap();
            let error = place(&uri).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidRequest, "{port}");
        }
    }
}
