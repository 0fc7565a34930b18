//! The session's cookie.

use axum::http::{HeaderMap, HeaderValue, header};

use super::credential::is_token;

/// Over TLS. Browsers take a cookie of such a name only from a secure answer for the whole host (RFC 6265bis), so
/// that no neighbouring domain can plant one.
const SECURE: &str = "__Host-thaw_session";
/// Over plain HTTP.
const PLAIN: &str = "thaw_session";
/// What BandSox's clients send, some of them by themselves.
const BANDSOX: &str = "bandsox_session";

/// The token of the session that a request belongs to.
pub(crate) fn session(headers: &HeaderMap) -> Option<String> {
    let pairs = || {
        headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
    };
    [SECURE, PLAIN, BANDSOX].into_iter().find_map(|wanted| {
        let mut tokens = pairs().filter(|(name, value)| *name == wanted && is_token(value));
        tokens.next().map(|(_, value)| value.to_owned())
    })
}

/// Sets the cookie for so many seconds, or takes it away with 0.
pub(crate) fn set(token: &str, max_age_s: u64, secure: bool) -> Option<HeaderValue> {
    let (name, flag) = if secure {
        (SECURE, "; Secure")
    } else {
        (PLAIN, "")
    };
    let text =
        format!("{name}={token}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Strict{flag}");
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Whether the browser speaks TLS, to us or to what stands before us. A lie gets the liar a cookie that does
/// not work.
pub(crate) fn is_secure(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    text("origin").is_some_and(|origin| origin.starts_with("https://"))
        || text("x-forwarded-proto").is_some_and(|proto| proto.eq_ignore_ascii_case("https"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_found_among_others_and_the_secure_one_goes_first() {
        let mut headers = HeaderMap::new();
        let value = "a=b; thaw_session=x.y.z; __Host-thaw_session=s.s.s; bad";
        headers.insert(header::COOKIE, value.parse().unwrap());
        assert_eq!(session(&headers).as_deref(), Some("s.s.s"));
        headers.insert(header::COOKIE, "thaw_session=no token".parse().unwrap());
        assert_eq!(session(&headers), None);
    }

    #[test]
    fn no_script_and_no_other_site_gets_at_the_cookie() {
        let value = set("x.y.z", 60, true).unwrap();
        let text = value.to_str().unwrap();
        for part in [
            "__Host-thaw_session=x.y.z",
            "HttpOnly",
            "SameSite=Strict",
            "Secure",
            "Path=/",
        ] {
            assert!(text.contains(part), "{part}");
        }
        assert!(!format!("{value:?}").contains("x.y.z"));
        assert!(
            !set("x.y.z", 60, false)
                .unwrap()
                .to_str()
                .unwrap()
                .contains("Secure")
        );
    }
}
