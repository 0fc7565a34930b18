//! What a request shows to say who sends it.
//!
//! The first of these that is there counts, and no other is tried when it is wrong:
//!
//! 1. `Authorization: Bearer KEY`; other schemes are somebody else's and looked past;
//! 2. on the paths of AWS Lambda's API, `Authorization: AWS4-HMAC-SHA256 Credential=KEY/…`; its signature is not checked;
//! 3. on WebSockets, which browsers can't give headers, the subprotocol `bandsox.auth.BASE64URL(KEY OR TOKEN)`;
//! 4. on WebSockets, `?token=` with a key or a session's token; what is neither is left to whom it is meant for;
//! 5. a session's cookie.

use axum::http::{HeaderMap, Uri, header};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    cookie,
    secret::{ApiKey, KeyHash},
};
use crate::functions::is_aws_path;

/// A WebSocket's subprotocol that carries a credential begins so.
const AUTH_PROTOCOL: &str = "bandsox.auth.";
/// No credential in a query or subprotocol is longer, in bytes.
const LONGEST: usize = 1024;

/// What a request shows.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Credential {
    /// A key, of which only the hash goes on.
    Key(KeyHash),
    /// A session's token.
    Session(String),
    /// Something that can't be either.
    Malformed,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Key(_) => "Key(…)",
            Self::Session(_) => "Session(…)",
            Self::Malformed => "Malformed",
        })
    }
}

/// A credential and how it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Presented {
    pub(crate) credential: Credential,
    pub(crate) source: Source,
}

/// How a credential came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// A header that only the sender's own program can set.
    Header,
    /// A subprotocol of a WebSocket.
    Subprotocol,
    /// The query of a WebSocket's address.
    Query,
    /// A cookie, which a browser adds to what any page makes it send.
    Cookie,
}

/// Whether a request asks for a WebSocket.
pub(crate) fn is_websocket(headers: &HeaderMap) -> bool {
    words(headers, header::UPGRADE).any(|word| word.eq_ignore_ascii_case("websocket"))
}

/// What a request shows to say who sends it.
pub(crate) fn presented(uri: &Uri, headers: &HeaderMap) -> Option<Presented> {
    let of = |source| move |credential| Presented { credential, source };
    if let Some(found) = bearer(headers) {
        return Some(of(Source::Header)(found));
    }
    if is_aws_path(uri.path())
        && let Some(found) = aws_key(headers)
    {
        return Some(of(Source::Header)(found));
    }
    if is_websocket(headers) {
        if let Some(found) = subprotocol(headers) {
            return Some(of(Source::Subprotocol)(found));
        }
        if let Some(found) = query(uri) {
            return Some(of(Source::Query)(found));
        }
    }
    cookie::session(headers).map(|token| of(Source::Cookie)(Credential::Session(token)))
}

/// The id of the access key of AWS's signature, version 4; it is an API key here.
fn aws_key(headers: &HeaderMap) -> Option<Credential> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let text = values.next()?.to_str().ok()?;
    let rest = text.strip_prefix("AWS4-HMAC-SHA256 ")?;
    let scope = rest
        .split(',')
        .find_map(|part| part.trim().strip_prefix("Credential="))?;
    let id = scope.split('/').next()?;
    // As with two bearers.
    Some(match values.next() {
        None => key(id.as_bytes()),
        Some(_) => Credential::Malformed,
    })
}

fn bearer(headers: &HeaderMap) -> Option<Credential> {
    let mut found = headers
        .get_all(header::AUTHORIZATION)
        .iter()
        .filter_map(|value| {
            let value = value.as_bytes();
            let (scheme, rest) = value.split_at_checked(6)?;
            if !scheme.eq_ignore_ascii_case(b"bearer") {
                return None;
            }
            match rest.first() {
                None => Some(Credential::Malformed),
                Some(b' ') => Some(key(rest.trim_ascii())),
                Some(_) => None,
            }
        });
    let first = found.next()?;
    // Two senders in one request: whoever put the second there may not be whom the first speaks for.
    match found.next() {
        None => Some(first),
        Some(_) => Some(Credential::Malformed),
    }
}

fn key(bytes: &[u8]) -> Credential {
    std::str::from_utf8(bytes)
        .ok()
        .and_then(ApiKey::parse)
        .map_or(Credential::Malformed, |key| Credential::Key(key.hash()))
}

fn subprotocol(headers: &HeaderMap) -> Option<Credential> {
    let coded = words(headers, header::SEC_WEBSOCKET_PROTOCOL)
        .find_map(|word| word.strip_prefix(AUTH_PROTOCOL))?;
    let text = (coded.len() <= 2 * LONGEST)
        .then(|| URL_SAFE_NO_PAD.decode(coded.trim_end_matches('=')).ok())
        .flatten()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    Some(
        text.and_then(|text| key_or_token(&text))
            .unwrap_or(Credential::Malformed),
    )
}

fn query(uri: &Uri) -> Option<Credential> {
    let query = uri.query()?;
    let mut found = query
        .split('&')
        .filter_map(|pair| pair.strip_prefix("token="))
        .filter_map(key_or_token);
    found.next()
}

/// Neither needs an escape in a query: a key is letters, digits and `_`, a token those, `-` and `.`.
fn key_or_token(text: &str) -> Option<Credential> {
    if let Some(key) = ApiKey::parse(text) {
        return Some(Credential::Key(key.hash()));
    }
    is_token(text).then(|| Credential::Session(text.to_owned()))
}

/// Whether this has the form of a JWT.
pub(crate) fn is_token(text: &str) -> bool {
    let part = |part: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        !part.is_empty() && part.bytes().all(plain)
    };
    text.len() <= LONGEST && text.split('.').count() == 3 && text.split('.').all(part)
}

/// The address without the credential in its query, for whoever handles the request.
pub(crate) fn without_token(uri: &Uri) -> Option<Uri> {
    let query = uri.query()?;
    let kept: Vec<_> = query
        .split('&')
        .filter(|pair| pair.strip_prefix("token=").and_then(key_or_token).is_none())
        .collect();
    let path = uri.path();
    let text = match kept.is_empty() {
        true => path.to_owned(),
        false => format!("{path}?{}", kept.join("&")),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(text.parse().ok()?);
    Uri::from_parts(parts).ok()
}

fn words(headers: &HeaderMap, name: header::HeaderName) -> impl Iterator<Item = &str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TOKEN: &str = "aa.bb.cc";

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let name: header::HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    fn found(uri: &str, pairs: &[(&str, &str)]) -> Option<(Credential, Source)> {
        let uri = uri.parse().unwrap();
        presented(&uri, &headers(pairs)).map(|shown| (shown.credential, shown.source))
    }

    fn key_credential(text: &str) -> Credential {
        Credential::Key(ApiKey::parse(text).unwrap().hash())
    }

    #[test]
    fn a_bearer_key_is_read_whatever_the_case_of_its_scheme() {
        for value in ["Bearer thaw_1", "bearer thaw_1", "BEARER   thaw_1"] {
            let shown = found("/", &[("authorization", value)]);
            assert_eq!(
                shown,
                Some((key_credential("thaw_1"), Source::Header)),
                "{value}"
            );
        }
        for value in ["Bearer", "Bearer ", "Bearer x", "Bearer aa.bb.cc"] {
            let shown = found("/", &[("authorization", value)]);
            assert_eq!(
                shown,
                Some((Credential::Malformed, Source::Header)),
                "{value}"
            );
        }
        assert_eq!(found("/", &[("authorization", "Basic eDp5")]), None);
        assert_eq!(found("/", &[("authorization", "Bearerthaw_1")]), None);
    }

    #[test]
    fn the_access_key_of_a_signature_counts_on_the_routes_of_aws_only() {
        let value = "AWS4-HMAC-SHA256 Credential=thaw_1/20250101/eu-west-1/lambda/aws4_request, \
                     SignedHeaders=host, Signature=00";
        let signed = [("authorization", value)];
        let uri = "/2015-03-31/functions/f/invocations";
        let shown = Some((key_credential("thaw_1"), Source::Header));
        assert_eq!(found(uri, &signed), shown);
        let uri = "/2021-11-15/functions/f/response-streaming-invocations";
        assert_eq!(found(uri, &signed), shown);
        assert_eq!(found("/v1/exec", &signed), None);
        assert_eq!(
            found(uri, &[signed[0], signed[0]]),
            Some((Credential::Malformed, Source::Header))
        );
    }

    #[test]
    fn of_two_keys_none_counts() {
        let two = [
            ("authorization", "Bearer thaw_1"),
            ("authorization", "Bearer thaw_2"),
        ];
        assert_eq!(
            found("/", &two),
            Some((Credential::Malformed, Source::Header))
        );
    }

    #[test]
    fn a_wrong_key_is_not_made_good_by_a_cookie() {
        let both = [
            ("authorization", "Bearer x"),
            ("cookie", "thaw_session=aa.bb.cc"),
        ];
        assert_eq!(found("/", &both).unwrap().0, Credential::Malformed);
    }

    #[test]
    fn a_token_in_the_query_counts_on_websockets_only() {
        let uri = "/v1/vms/a/terminal?cols=1&token=thaw_1";
        assert_eq!(found(uri, &[]), None);
        let socket = [("upgrade", "WebSocket")];
        assert_eq!(
            found(uri, &socket),
            Some((key_credential("thaw_1"), Source::Query))
        );
        let shown = found("/?token=aa.bb.cc", &socket);
        assert_eq!(
            shown,
            Some((Credential::Session(TOKEN.to_owned()), Source::Query))
        );
        assert_eq!(found("/?token=of-the-guest", &socket), None);
    }

    #[test]
    fn a_subprotocol_carries_a_key_or_a_token() {
        let offer = |text: &str| {
            format!(
                "bandsox.terminal, bandsox.auth.{}",
                URL_SAFE_NO_PAD.encode(text)
            )
        };
        let shown = |offer: &str| {
            found(
                "/",
                &[("upgrade", "websocket"), ("sec-websocket-protocol", offer)],
            )
        };
        assert_eq!(
            shown(&offer("bsx_1")),
            Some((key_credential("bsx_1"), Source::Subprotocol))
        );
        assert_eq!(
            shown(&offer(TOKEN)).unwrap().0,
            Credential::Session(TOKEN.to_owned())
        );
        assert_eq!(shown(&offer("?")).unwrap().0, Credential::Malformed);
        assert_eq!(shown("bandsox.auth.%%%").unwrap().0, Credential::Malformed);
        assert_eq!(shown("bandsox.terminal"), None);
    }

    #[test]
    fn whoever_handles_the_request_does_not_see_the_token() {
        let cleaned = |uri: &str| without_token(&uri.parse().unwrap()).unwrap().to_string();
        assert_eq!(cleaned("/a?token=thaw_1"), "/a");
        assert_eq!(cleaned("/a?x=1&token=aa.bb.cc&y=2"), "/a?x=1&y=2");
        assert_eq!(cleaned("/a?token=guest&x"), "/a?token=guest&x");
    }

    proptest! {
        #[test]
        fn no_header_makes_the_parser_fail_or_gives_a_key_that_was_not_sent(
            authorization in "[ -~]{0,80}",
            protocol in "[ -~]{0,80}",
            cookie in "[ -~]{0,80}",
            query in "[a-zA-Z0-9_.=&%-]{0,80}",
            socket: bool,
        ) {
            let mut pairs = vec![
                ("authorization", authorization.as_str()),
                ("sec-websocket-protocol", protocol.as_str()),
                ("cookie", cookie.as_str()),
            ];
            if socket {
                pairs.push(("upgrade", "websocket"));
            }
            let uri: Uri = format!("/a?{query}").parse().unwrap();
            let shown = presented(&uri, &headers(&pairs));
            if let Some(Presented { credential: Credential::Session(token), .. }) = &shown {
                prop_assert!(is_token(token));
            }
            if let Some(shown) = &shown && !socket {
                prop_assert!(matches!(shown.source, Source::Header | Source::Cookie));
            }
            if let Some(cleaned) = without_token(&uri) {
                prop_assert_eq!(super::query(&cleaned), None);
            }
        }

        #[test]
        fn a_key_that_was_made_is_the_key_that_is_read(spaces in 1..4usize, upper: bool) {
            let key = ApiKey::generate().unwrap();
            let scheme = if upper { "BEARER" } else { "bearer" };
            let value = format!("{scheme}{}{}", " ".repeat(spaces), key.expose());
            let shown = presented(&Uri::from_static("/"), &headers(&[("authorization", &value)]));
            prop_assert_eq!(shown.unwrap().credential, Credential::Key(key.hash()));
        }
    }
}
