//! No web page may reach this service: what a browser sends for another site is turned away.
//!
//! Without authentication, reaching the port is enough to run programs. A page of another site can make a
//! browser send requests here: with its own Origin, or, by letting its host name point at 127.0.0.1
//! ("DNS rebinding"), with its own Host. Both are looked at, on every request.

use std::net::IpAddr;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method, Uri, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use thaw_api_types::ErrorCode;

use crate::{bandsox, error::ApiError, functions, listen::is_loopback, state::App};

/// Who may be talked to.
#[derive(Debug)]
pub(crate) struct Gate {
    names: Vec<String>,
    any_address: bool,
}

impl Gate {
    pub(crate) fn new(mut names: Vec<String>, any_address: bool) -> Self {
        for name in &mut names {
            name.make_ascii_lowercase();
        }
        Self { names, any_address }
    }

    pub(crate) fn check(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<(), ApiError> {
        let host = host_of(uri, headers).filter(|host| self.answers_for(host));
        let Some(host) = host else {
            return Err(ApiError::new(
                ErrorCode::HostNotAllowed,
                "this server does not answer for that host",
            )
            .hint("use 127.0.0.1 or localhost, or start the server with --allow-host NAME"));
        };
        let foreign = || {
            ApiError::new(
                ErrorCode::OriginNotAllowed,
                "a web page of another origin may not call this server",
            )
        };
        for origin in headers.get_all(header::ORIGIN) {
            if !origin.to_str().is_ok_and(|origin| is_same(origin, &host)) {
                return Err(foreign());
            }
        }
        // Browsers say it themselves, even where they send no Origin. `none` is an address typed by hand.
        match headers.get("sec-fetch-site").map(|site| site.as_bytes()) {
            None | Some(b"same-origin" | b"none") => Ok(()),
            // Somebody followed a link to a page that everybody may see; it does nothing and shows nobody's data.
            Some(_) if is_visit(method, uri, headers) => Ok(()),
            Some(_) => Err(foreign()),
        }
    }

    fn answers_for(&self, host: &Authority) -> bool {
        let name = host.host().to_ascii_lowercase();
        let address = name
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'))
            .unwrap_or(&name)
            .parse::<IpAddr>();
        match address {
            // An address can't be pointed elsewhere as a name can.
            Ok(address) => is_loopback(address) || self.any_address || self.names.contains(&name),
            Err(_) => name == "localhost" || self.names.contains(&name),
        }
    }
}

/// Whether links of other sites may lead to this page.
fn is_page(path: &str) -> bool {
    matches!(path, "/" | "/login" | "/docs" | "/dashboard")
        || path.starts_with("/dashboard/")
        || bandsox::is_page(path)
}

/// Whether a browser opens a page in a window of its own, not in a frame, an image or a script.
fn is_visit(method: &Method, uri: &Uri, headers: &HeaderMap) -> bool {
    let says = |name, what| headers.get(name).is_some_and(|value| value == what);
    method == Method::GET
        && is_page(uri.path())
        && says("sec-fetch-mode", "navigate")
        && says("sec-fetch-dest", "document")
}

fn host_of(uri: &Uri, headers: &HeaderMap) -> Option<Authority> {
    if let Some(authority) = uri.authority() {
        return Some(authority.clone());
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next()?;
    if hosts.next().is_some() {
        return None;
    }
    let host = Authority::try_from(host.as_bytes()).ok()?;
    (!host.as_str().contains('@')).then_some(host)
}

fn is_same(origin: &str, host: &Authority) -> bool {
    let rest = origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"));
    rest.is_some_and(|rest| rest.eq_ignore_ascii_case(host.as_str()))
}

/// Turns away what [`Gate::check`] refuses.
pub(crate) async fn check(State(app): State<App>, request: Request, next: Next) -> Response {
    match app
        .gate
        .check(request.method(), request.uri(), request.headers())
    {
        Ok(()) => next.run(request).await,
        Err(error) if bandsox::is_ours(request.uri().path()) => {
            bandsox::Detail::from(error).into_response()
        }
        Err(error) if functions::is_aws_path(request.uri().path()) => {
            functions::aws_refusal(&error)
        }
        Err(error) => error.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, more: &[(&str, &str)]) -> Result<(), ErrorCode> {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        for (name, value) in more {
            let name: header::HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        let gate = Gate::new(vec!["Thaw.example".to_owned()], false);
        gate.check(&Method::POST, &Uri::from_static("/v1/exec"), &headers)
            .map_err(|error| error.code())
    }

    #[test]
    fn loopback_by_any_of_its_names_is_answered_for() {
        for host in [
            "localhost",
            "LOCALHOST:8000",
            "127.0.0.1:1",
            "[::1]:8000",
            "127.9.9.9",
            "thaw.example:80",
        ] {
            assert_eq!(check(host, &[]), Ok(()), "{host}");
        }
    }

    #[test]
    fn a_name_that_someone_pointed_here_is_not_answered_for() {
        for host in [
            "evil.example:8000",
            "localhost.evil.example",
            "10.0.0.1",
            "user@localhost",
            "",
        ] {
            assert_eq!(check(host, &[]), Err(ErrorCode::HostNotAllowed), "{host}");
        }
        assert_eq!(
            check("localhost", &[("host", "localhost")]),
            Err(ErrorCode::HostNotAllowed)
        );
    }

    #[test]
    fn a_page_of_another_origin_is_turned_away() {
        let host = "localhost:8000";
        assert_eq!(check(host, &[("origin", "http://localhost:8000")]), Ok(()));
        for origin in [
            "null",
            "http://evil.example",
            "http://localhost:8001",
            "http://localhost",
        ] {
            let refused = check(host, &[("origin", origin)]);
            assert_eq!(refused, Err(ErrorCode::OriginNotAllowed), "{origin}");
        }
        for site in ["cross-site", "same-site"] {
            let refused = check(host, &[("sec-fetch-site", site)]);
            assert_eq!(refused, Err(ErrorCode::OriginNotAllowed), "{site}");
        }
        assert_eq!(check(host, &[("sec-fetch-site", "none")]), Ok(()));
    }
}
