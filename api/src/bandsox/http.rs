//! A request to a port inside a VM, made here and answered as JSON.

use std::time::Duration;

use axum::{
    Json,
    body::{Body, Bytes, to_bytes},
    extract::State,
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header,
    },
};
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::{
    error::Detail,
    extract::{Id, Posted},
    fields::Fields,
    names,
};
use crate::{
    inside::port::{connect, is_loopback, no_answer},
    state::App,
};

/// What of an answer's body is taken, in bytes; more is refused, not cut.
const BODY_BYTES: usize = 64 << 20;

/// Redirects that are followed; the one after these is the answer.
const REDIRECTS: usize = 10;

/// The longest that a request may take, in seconds.
const MAX_TIMEOUT_S: i64 = 3600;

/// Sends a request to a port inside a VM. Redirects are followed, but only within the VM.
pub(crate) async fn send(
    State(app): State<App>,
    Id(id): Id,
    Posted(mut fields): Posted,
) -> Result<Json<Value>, Detail> {
    let port = port(&mut fields);
    let mut headers = headers(&mut fields);
    let call = Call {
        method: method(&mut fields),
        path: path(&mut fields),
        body: content(&mut fields, &mut headers),
        headers,
    };
    let seconds = fields.int("timeout").unwrap_or(30);
    let limit = Duration::from_secs(seconds.clamp(1, MAX_TIMEOUT_S).unsigned_abs());
    fields.finish()?;
    names::usable_vm(&app, &id)?;
    match timeout(limit, follow(&app, &id, port, call)).await {
        Ok(answer) => answer.map(Json),
        Err(_) => {
            let text = format!("port {port} gave no answer within {} s", limit.as_secs());
            Err(Detail::new(StatusCode::INTERNAL_SERVER_ERROR, text))
        }
    }
}

/// A request as the caller wants it.
#[derive(Debug, Clone)]
struct Call {
    method: Method,
    path: Uri,
    headers: HeaderMap,
    body: Bytes,
}

async fn follow(app: &App, vm: &str, mut port: u16, mut call: Call) -> Result<Value, Detail> {
    for _ in 0..REDIRECTS {
        let answer = once(app, vm, port, &call).await?;
        match redirected(&answer, port, &call.path) {
            Some((to_port, path)) => {
                (port, call.path) = (to_port, path);
                follow_as(answer.status(), &mut call);
            }
            None => return whole(answer).await,
        }
    }
    whole(once(app, vm, port, &call).await?).await
}

async fn once(app: &App, vm: &str, port: u16, call: &Call) -> Result<Response<Body>, Detail> {
    let mut request = Request::new(Body::from(call.body.clone()));
    *request.method_mut() = call.method.clone();
    *request.uri_mut() = call.path.clone();
    *request.headers_mut() = call.headers.clone();
    let host = format!("localhost:{port}");
    let own = [
        (header::HOST, HeaderValue::try_from(host)),
        (header::CONNECTION, HeaderValue::try_from("close")),
    ];
    for (name, value) in own {
        if let Ok(value) = value {
            request.headers_mut().insert(name, value);
        }
    }
    let mut sender = connect(app, vm, port).await?;
    let answer = sender.send_request(request).await;
    Ok(answer
        .map_err(|error| no_answer(port, &error))?
        .map(Body::new))
}

async fn whole(answer: Response<Body>) -> Result<Value, Detail> {
    let (parts, body) = answer.into_parts();
    let body = to_bytes(body, BODY_BYTES).await.map_err(|_| {
        let limit = BODY_BYTES >> 20;
        let text = format!("the answer broke off, or is larger than {limit} MiB");
        Detail::new(StatusCode::BAD_GATEWAY, text)
    })?;
    let mut headers = Map::new();
    for (name, value) in &parts.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        match headers.get_mut(name.as_str()) {
            Some(Value::String(before)) => {
                before.push_str(", ");
                before.push_str(&value);
            }
            _ => {
                headers.insert(name.to_string(), Value::from(value));
            }
        }
    }
    Ok(json!({
        "status_code": parts.status.as_u16(),
        "headers": headers,
        "body": String::from_utf8_lossy(&body),
    }))
}

/// Where an answer leads within the VM, if it leads there.
fn redirected(answer: &Response<Body>, port: u16, from: &Uri) -> Option<(u16, Uri)> {
    if !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = answer.headers().get(header::LOCATION)?.to_str().ok()?;
    within(location, port, from)
}

fn within(location: &str, port: u16, from: &Uri) -> Option<(u16, Uri)> {
    if location.starts_with("//") {
        return None;
    }
    if location.starts_with('/') {
        return Some((port, location.parse().ok()?));
    }
    if location.contains("://") {
        let uri: Uri = location.parse().ok()?;
        let is_guest = uri.scheme_str() == Some("http") && uri.host().is_some_and(is_loopback);
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let path = is_guest.then(|| path.parse().ok()).flatten()?;
        return Some((uri.port_u16().unwrap_or(80), path));
    }
    // Relative to the folder of what was asked for.
    let (folder, _) = from.path().rsplit_once('/')?;
    Some((port, format!("{folder}/{location}").parse().ok()?))
}

/// As browsers and most clients do: 307 and 308 send the same again, the others ask for what is there.
fn follow_as(status: StatusCode, call: &mut Call) {
    let same = matches!(status.as_u16(), 307 | 308);
    if !same && !matches!(call.method, Method::GET | Method::HEAD) {
        call.method = Method::GET;
        call.body = Bytes::new();
        call.headers.remove(header::CONTENT_TYPE);
        call.headers.remove(header::CONTENT_LENGTH);
    }
}

fn port(fields: &mut Fields) -> u16 {
    let number = fields.required_int("port");
    match u16::try_from(number) {
        Ok(port) if port > 0 => port,
        _ => {
            fields.refuse("port", "ports are 1 to 65535");
            0
        }
    }
}

fn method(fields: &mut Fields) -> Method {
    let text = fields.text("method").unwrap_or_else(|| "GET".to_owned());
    text.to_ascii_uppercase().parse().unwrap_or_else(|_| {
        fields.refuse("method", "this is no HTTP method");
        Method::GET
    })
}

fn path(fields: &mut Fields) -> Uri {
    let text = fields.text("path").unwrap_or_default();
    let text = match text.starts_with('/') {
        true => text,
        false => format!("/{text}"),
    };
    // A client may leave it to us to encode what must not be in a path.
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}#".contains(&byte);
    let encoded: String = text
        .bytes()
        .map(|byte| match plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect();
    encoded.parse().unwrap_or_else(|_| {
        fields.refuse("path", "this is no path");
        Uri::from_static("/")
    })
}

fn headers(fields: &mut Fields) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields.pairs("headers").unwrap_or_default() {
        let (name, value) = (HeaderName::try_from(name), HeaderValue::try_from(value));
        match (name, value) {
            (Ok(name), Ok(value)) => drop(headers.append(name, value)),
            _ => fields.refuse("headers", "there is one that can't be a header"),
        }
    }
    // The body says how long it is.
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::TRANSFER_ENCODING);
    headers
}

/// The body: text, or JSON, which says so unless the caller's own headers do.
fn content(fields: &mut Fields, headers: &mut HeaderMap) -> Bytes {
    let (text, value) = (fields.text("body"), fields.any("json_body"));
    match (text, value) {
        (Some(text), _) => text.into(),
        (None, Some(value)) => {
            let json = HeaderValue::from_static("application/json");
            headers.entry(header::CONTENT_TYPE).or_insert(json);
            value.to_string().into()
        }
        (None, None) => Bytes::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_are_followed_within_the_vm_and_nowhere_else() {
        let from = Uri::from_static("/a/b?c");
        let to = |location| within(location, 80, &from).map(|(port, path)| format!("{port}{path}"));
        let leads = |text: &str| Some(text.to_owned());
        assert_eq!(to("/x?y"), leads("80/x?y"));
        assert_eq!(to("x"), leads("80/a/x"));
        assert_eq!(to("http://localhost:8080/x"), leads("8080/x"));
        assert_eq!(to("http://127.0.0.1"), leads("80/"));
        for elsewhere in [
            "//example.org/x",
            "http://example.org/",
            "https://localhost/",
            "http://169.254.169.254/",
            "http://localhost.example.org/",
            "file:///etc/passwd",
        ] {
            assert_eq!(to(elsewhere), None, "{elsewhere}");
        }
    }

    #[test]
    fn a_path_is_encoded_where_it_must_be() {
        let path = |text: &str| {
            let body = serde_json::json!({ "path": text }).to_string();
            super::path(&mut Fields::of_body(body.as_bytes()).unwrap()).to_string()
        };
        assert_eq!(path("/a?b=c%20d"), "/a?b=c%20d");
        assert_eq!(path("a b/ü"), "/a%20b/%C3%BC");
        assert_eq!(path(""), "/");
    }

    #[test]
    fn a_json_body_says_that_it_is_one() {
        let body = br#"{"json_body":{"a":1}}"#;
        let mut headers = HeaderMap::new();
        let content = content(&mut Fields::of_body(body).unwrap(), &mut headers);
        assert_eq!(content, r#"{"a":1}"#);
        assert_eq!(headers[header::CONTENT_TYPE], "application/json");
    }
}
