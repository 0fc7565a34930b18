//! What the two sides see of each other.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};

/// What belongs to one connection only (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// What is meant for this server: credentials, and what its own transport has answered already.
const OURS: [HeaderName; 4] = [
    header::AUTHORIZATION,
    header::PROXY_AUTHORIZATION,
    header::COOKIE,
    header::EXPECT,
];

/// What would hold for this server's whole origin and not only for the guest's page.
const ORIGIN_WIDE: [HeaderName; 5] = [
    header::SET_COOKIE,
    header::STRICT_TRANSPORT_SECURITY,
    HeaderName::from_static("clear-site-data"),
    HeaderName::from_static("service-worker-allowed"),
    header::ALT_SVC,
];

/// What browsers are told about the guest's pages.
const SANDBOX: HeaderValue = HeaderValue::from_static("sandbox allow-scripts allow-forms");

/// A subprotocol of WebSockets that carries a credential of this server begins so.
const CREDENTIAL_PROTOCOL: &str = "bandsox.auth.";

/// The place of a port in this server's paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The port.
    pub(super) port: u16,
    /// Everything before the path that the guest sees; it ends without a slash.
    pub(super) prefix: String,
}

/// Makes a request's headers those that the guest's server sees. With `upgrade` it asks for that protocol.
pub(super) fn inward(headers: &mut HeaderMap, place: &Place, upgrade: Option<HeaderValue>) {
    strip(headers, &OURS);
    without_credential(headers);
    let host = format!("localhost:{}", place.port);
    // A server that compares the two finds them alike, as it would without us.
    if headers.contains_key(header::ORIGIN) {
        put(headers, header::ORIGIN, &format!("http://{host}"));
    }
    put(headers, header::HOST, &host);
    let prefix = HeaderName::from_static("x-forwarded-prefix");
    put(headers, prefix, &place.prefix);
    match upgrade {
        Some(protocol) => {
            headers.insert(header::UPGRADE, protocol);
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        }
        None => {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

/// Makes the headers of the guest's answer those that our caller sees.
pub(super) fn outward(headers: &mut HeaderMap, place: &Place) {
    strip(headers, &ORIGIN_WIDE);
    if let Some(location) = headers.get(header::LOCATION)
        && let Ok(text) = location.to_str()
        && let Some(ours) = relocated(text, place)
        && let Ok(value) = HeaderValue::try_from(ours)
    {
        headers.insert(header::LOCATION, value);
    }
    // The guest's own policy, if it has one, holds too.
    headers.append(header::CONTENT_SECURITY_POLICY, SANDBOX);
}

/// Where a redirect of the guest's leads in our paths; none where it is relative or leads elsewhere.
fn relocated(location: &str, place: &Place) -> Option<String> {
    if location.starts_with('/') && !location.starts_with("//") {
        return Some(format!("{}{location}", place.prefix));
    }
    let uri: Uri = location.parse().ok()?;
    let host = uri.host()?;
    let port = uri.port_u16().unwrap_or(80);
    let is_guest = uri.scheme_str() == Some("http") && is_loopback(host) && port == place.port;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    is_guest.then(|| format!("{}{path}", place.prefix))
}

/// Whether a guest means itself by this name.
pub(crate) fn is_loopback(host: &str) -> bool {
    ["localhost", "127.0.0.1", "[::1]"]
        .iter()
        .any(|name| host.eq_ignore_ascii_case(name))
}

fn strip(headers: &mut HeaderMap, more: &[HeaderName]) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP).chain(more) {
        headers.remove(name);
    }
}

fn without_credential(headers: &mut HeaderMap) {
    let name = header::SEC_WEBSOCKET_PROTOCOL;
    let offered: Vec<String> = headers
        .get_all(&name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|word| word.trim().to_owned())
        .collect();
    if !offered
        .iter()
        .any(|word| word.starts_with(CREDENTIAL_PROTOCOL))
    {
        return;
    }
    let kept: Vec<_> = offered
        .into_iter()
        .filter(|word| !word.starts_with(CREDENTIAL_PROTOCOL))
        .collect();
    headers.remove(&name);
    if !kept.is_empty() {
        put(headers, name, &kept.join(", "));
    }
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place {
            port: 8080,
            prefix: "/v1/vms/web/ports/8080".to_owned(),
        }
    }

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_guest_sees_no_credential_of_ours_and_nothing_of_our_connection() {
        let mut seen = headers(&[
            ("authorization", "Bearer thaw_1"),
            ("cookie", "__Host-thaw=1"),
            ("connection", "keep-alive, X-Only-Here"),
            ("x-only-here", "1"),
            ("transfer-encoding", "chunked"),
            ("sec-websocket-protocol", "chat, bandsox.auth.dGhhdw"),
            ("origin", "http://127.0.0.1:8000"),
            ("host", "127.0.0.1:8000"),
            ("accept", "text/html"),
        ]);
        inward(&mut seen, &place(), None);
        let expected = headers(&[
            ("accept", "text/html"),
            ("connection", "close"),
            ("host", "localhost:8080"),
            ("origin", "http://localhost:8080"),
            ("sec-websocket-protocol", "chat"),
            ("x-forwarded-prefix", "/v1/vms/web/ports/8080"),
        ]);
        assert_eq!(seen, expected);
    }

    #[test]
    fn an_upgrade_is_asked_for_anew() {
        let mut seen = headers(&[("connection", "Upgrade"), ("upgrade", "websocket")]);
        inward(&mut seen, &place(), Some("websocket".parse().unwrap()));
        assert_eq!(seen[header::CONNECTION], "upgrade");
        assert_eq!(seen[header::UPGRADE], "websocket");
    }

    #[test]
    fn an_answer_keeps_its_own_policy_and_sets_nothing_for_the_whole_server() {
        let mut seen = headers(&[
            ("set-cookie", "a=1"),
            ("clear-site-data", "\"*\""),
            ("content-security-policy", "default-src 'self'"),
            ("location", "/login?next=1"),
        ]);
        outward(&mut seen, &place());
        let expected = headers(&[
            ("content-security-policy", "default-src 'self'"),
            (
                "content-security-policy",
                "sandbox allow-scripts allow-forms",
            ),
            ("location", "/v1/vms/web/ports/8080/login?next=1"),
        ]);
        assert_eq!(seen, expected);
    }

    #[test]
    fn redirects_to_the_port_itself_lead_back_through_us_and_others_stay() {
        let to = |location| relocated(location, &place());
        let ours = |path: &str| Some(format!("/v1/vms/web/ports/8080{path}"));
        assert_eq!(to("/a"), ours("/a"));
        assert_eq!(to("http://localhost:8080/a?b"), ours("/a?b"));
        assert_eq!(to("http://127.0.0.1:8080"), ours("/"));
        assert_eq!(to("http://[::1]:8080/"), ours("/"));
        for elsewhere in [
            "a/b",
            "//example.org/",
            "http://localhost:9000/",
            "https://localhost:8080/",
            "http://example.org:8080/",
        ] {
            assert_eq!(to(elsewhere), None, "{elsewhere}");
        }
    }
}
