//! The one table of who may do what.
//!
//! Every route has a row for each of its methods. What has no row is refused, whoever asks; a test walks the
//! router and fails for every route without a row and every row without a route.
//!
//! To add a route, add its row: what only looks needs `read`, what runs something inside a VM `invoke`, what
//! makes, changes or removes something `manage`, and what is about keys and the audit log `admin`.

use axum::http::Method;
use thaw_api_types::Scope;

use crate::bandsox;

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everyone, known or not.
    Open,
    /// Whoever is known, whatever their scopes.
    Known,
    /// Who has a scope that implies this one.
    Needs(Scope),
}

/// One route, as the router and OpenAPI write it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// The method, or [`EVERY`].
    pub(crate) method: &'static str,
    /// The pattern of the path.
    pub(crate) path: &'static str,
    /// Who may use it.
    pub(crate) access: Access,
}

/// In place of a method: whatever the method. For routes that pass requests on, such as a port's.
pub(crate) const EVERY: &str = "*";

const OPEN: Access = Access::Open;
const READ: Access = Access::Needs(Scope::Read);
const INVOKE: Access = Access::Needs(Scope::Invoke);
const MANAGE: Access = Access::Needs(Scope::Manage);
const ADMIN: Access = Access::Needs(Scope::Admin);

#[rustfmt::skip]
pub(crate) const TABLE: &[Row] = &[
    // Programs.
    row("POST",   "/v1/exec", INVOKE),
    // Images. `debian:` sources and Dockerfiles need `admin`; the route looks into the body for that.
    row("GET",    "/v1/images", READ),
    row("POST",   "/v1/images", MANAGE),
    row("GET",    "/v1/images/{*name}", READ),
    row("DELETE", "/v1/images/{*name}", MANAGE),
    // Templates and pools.
    row("GET",    "/v1/templates", READ),
    row("POST",   "/v1/templates", MANAGE),
    row("GET",    "/v1/templates/{id}", READ),
    row("DELETE", "/v1/templates/{id}", MANAGE),
    row("GET",    "/v1/pools", READ),
    row("PUT",    "/v1/pools", MANAGE),
    // VMs.
    row("GET",    "/v1/vms", READ),
    row("POST",   "/v1/vms", MANAGE),
    row("GET",    "/v1/vms/{id}", READ),
    row("PATCH",  "/v1/vms/{id}", MANAGE),
    row("DELETE", "/v1/vms/{id}", MANAGE),
    row("POST",   "/v1/vms/{id}/pause", MANAGE),
    row("POST",   "/v1/vms/{id}/resume", MANAGE),
    row("POST",   "/v1/vms/{id}/stop", MANAGE),
    row("POST",   "/v1/vms/{id}/start", MANAGE),
    row("POST",   "/v1/vms/{id}/snapshot", MANAGE),
    row("POST",   "/v1/vms/{id}/fork", MANAGE),
    row("POST",   "/v1/vms/{id}/exec", INVOKE),
    // Authentication.
    row("GET",    "/login", OPEN),
    row("POST",   "/v1/login", OPEN),
    row("POST",   "/v1/logout", OPEN),
    row("GET",    "/v1/session", Access::Known),
    row("GET",    "/v1/keys", ADMIN),
    row("POST",   "/v1/keys", ADMIN),
    row("DELETE", "/v1/keys/{id}", ADMIN),
    row("GET",    "/v1/audit", ADMIN),
    // Snapshots, and what happens to them and to VMs.
    row("GET",    "/v1/snapshots", READ),
    row("GET",    "/v1/snapshots/{id}", READ),
    row("PATCH",  "/v1/snapshots/{id}", MANAGE),
    row("DELETE", "/v1/snapshots/{id}", MANAGE),
    row("GET",    "/v1/events", READ),
    // Inside a VM. What its files hold is as much the guest's as what a program prints.
    row("GET",    "/v1/vms/{id}/exec/ws", INVOKE),
    row("GET",    "/v1/vms/{id}/terminal", INVOKE),
    row("GET",    "/v1/vms/{id}/files", READ),
    row("DELETE", "/v1/vms/{id}/files", INVOKE),
    row("GET",    "/v1/vms/{id}/files/content", INVOKE),
    row("PUT",    "/v1/vms/{id}/files/content", INVOKE),
    row("GET",    "/v1/vms/{id}/files/archive", INVOKE),
    row("PUT",    "/v1/vms/{id}/files/archive", INVOKE),
    row("POST",   "/v1/vms/{id}/files/mkdir", INVOKE),
    row("POST",   "/v1/vms/{id}/files/move", INVOKE),
    row("GET",    "/v1/vms/{id}/execs", READ),
    row("POST",   "/v1/vms/{id}/execs", INVOKE),
    row("GET",    "/v1/vms/{id}/execs/{exec}", READ),
    row("DELETE", "/v1/vms/{id}/execs/{exec}", INVOKE),
    row("GET",    "/v1/vms/{id}/execs/{exec}/output", INVOKE),
    row("POST",   "/v1/vms/{id}/execs/{exec}/signal", INVOKE),
    row("GET",    "/v1/vms/{id}/usage", READ),
    row("GET",    "/v1/vms/{id}/logs", READ),
    row("GET",    "/v1/vms/{id}/tcp/{port}", INVOKE),
    row(EVERY,    "/v1/vms/{id}/ports/{port}/", INVOKE),
    row(EVERY,    "/v1/vms/{id}/ports/{port}/{*path}", INVOKE),
    // BandSox's surface.
    row("POST",   "/api/auth/login", OPEN),
    row("POST",   "/api/auth/logout", OPEN),
    row("GET",    "/api/auth/check", OPEN),
    row("GET",    "/api/auth/keys", ADMIN),
    row("POST",   "/api/auth/keys", ADMIN),
    row("DELETE", "/api/auth/keys/{id}", ADMIN),
    row("GET",    "/api/vms", READ),
    row("POST",   "/api/vms", MANAGE),
    row("GET",    "/api/projects", READ),
    row("POST",   "/api/vms/from-dockerfile", ADMIN),
    row("GET",    "/api/vms/{id}", READ),
    row("DELETE", "/api/vms/{id}", MANAGE),
    row("POST",   "/api/vms/{id}/stop", MANAGE),
    row("POST",   "/api/vms/{id}/pause", MANAGE),
    row("POST",   "/api/vms/{id}/resume", MANAGE),
    row("PUT",    "/api/vms/{id}/name", MANAGE),
    row("PUT",    "/api/vms/{id}/metadata", MANAGE),
    row("POST",   "/api/vms/{id}/snapshot", MANAGE),
    row("POST",   "/api/vms/{id}/exec", INVOKE),
    row("POST",   "/api/vms/{id}/exec-python", INVOKE),
    row("GET",    "/api/vms/{id}/exec-stream", INVOKE),
    row("GET",    "/api/vms/{id}/terminal", INVOKE),
    row("GET",    "/api/vms/{id}/files", INVOKE),
    row("GET",    "/api/vms/{id}/read-file", INVOKE),
    row("POST",   "/api/vms/{id}/write-file", INVOKE),
    row("POST",   "/api/vms/{id}/append-file", INVOKE),
    row("GET",    "/api/vms/{id}/file-info", INVOKE),
    row("POST",   "/api/vms/{id}/upload", INVOKE),
    row("GET",    "/api/vms/{id}/download", INVOKE),
    row("POST",   "/api/vms/{id}/http", INVOKE),
    row("GET",    "/api/snapshots", READ),
    row("DELETE", "/api/snapshots/{id}", MANAGE),
    row("POST",   "/api/snapshots/{id}/restore", MANAGE),
    row("PUT",    "/api/snapshots/{id}/name", MANAGE),
    row("PUT",    "/api/snapshots/{id}/metadata", MANAGE),
    // Functions.
    row("GET",    "/v1/functions", READ),
    row("POST",   "/v1/functions", MANAGE),
    row("GET",    "/v1/functions/{name}", READ),
    row("DELETE", "/v1/functions/{name}", MANAGE),
    row("GET",    "/v1/functions/{name}/versions", READ),
    row("DELETE", "/v1/functions/{name}/versions/{version}", MANAGE),
    row("PUT",    "/v1/functions/{name}/aliases/{alias}", MANAGE),
    row("DELETE", "/v1/functions/{name}/aliases/{alias}", MANAGE),
    row("POST",   "/v1/functions/{name}/aliases/{alias}/rollback", MANAGE),
    row("GET",    "/v1/functions/{name}/logs", READ),
    row("GET",    "/v1/functions/{name}/events", READ),
    row("GET",    "/v1/functions/{name}/events/{id}", READ),
    row("DELETE", "/v1/functions/{name}/events/{id}", MANAGE),
    row("POST",   "/v1/functions/{name}/events/{id}/retry", MANAGE),
    row("POST",   "/v1/functions/{name}/invoke", INVOKE),
    row(EVERY,    "/v1/functions/{name}/http/", INVOKE),
    row(EVERY,    "/v1/functions/{name}/http/{*path}", INVOKE),
    row("POST",   "/2015-03-31/functions/{name}/invocations", INVOKE),
    row("POST",   "/2021-11-15/functions/{name}/response-streaming-invocations", INVOKE),
    // The server itself.
    row("GET",    "/healthz", OPEN),
    row("GET",    "/readyz", OPEN),
    row("GET",    "/metrics", READ),
    row("GET",    "/openapi.json", OPEN),
    row("GET",    "/docs", OPEN),
    row("GET",    "/vm_details", OPEN),
    row("GET",    "/terminal", OPEN),
    row("GET",    "/markdown_viewer", OPEN),
    // The dashboard's files; what they show they ask for like everybody.
    row("GET",    "/", OPEN),
    row("GET",    "/dashboard", OPEN),
    row("GET",    "/dashboard/", OPEN),
    row("GET",    "/dashboard/{*path}", OPEN),
];

const fn row(method: &'static str, path: &'static str, access: Access) -> Row {
    Row {
        method,
        path,
        access,
    }
}

/// The rows of one path.
#[derive(Debug, Clone)]
pub(crate) struct Rows(Vec<Row>);

impl Rows {
    pub(crate) fn of(path: &str) -> Self {
        let rows = TABLE.iter().filter(|row| row.path == path);
        Self(rows.copied().collect())
    }

    /// Rows of a path that only a test has.
    #[cfg(test)]
    pub(super) fn from(rows: Vec<Row>) -> Self {
        Self(rows)
    }

    /// Who may use this method; none when there is no row for it.
    pub(crate) fn access(&self, method: &Method) -> Option<Access> {
        let wanted = match *method {
            Method::HEAD if self.knows_head() => "GET",
            _ => method.as_str(),
        };
        let row = self.0.iter().find(|row| row.method == wanted);
        let row = row.or_else(|| self.0.iter().find(|row| row.method == EVERY));
        row.map(|row| row.access)
    }

    /// HEAD is GET without the body; BandSox's server does not know it.
    pub(crate) fn knows_head(&self) -> bool {
        !self.0.iter().any(|row| bandsox::is_ours(row.path))
    }

    /// The methods that have a row, for the header Allow; empty when the path has none.
    pub(crate) fn methods(&self) -> String {
        let mut methods: Vec<_> = self.0.iter().map(|row| row.method).collect();
        if methods.contains(&"GET") && self.knows_head() {
            methods.push("HEAD");
        }
        methods.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_route_has_two_rows() {
        for (index, row) in TABLE.iter().enumerate() {
            let same = |other: &&Row| (other.method, other.path) == (row.method, row.path);
            let twice = TABLE[..index].iter().find(same);
            assert!(twice.is_none(), "{} {}", row.method, row.path);
        }
    }

    #[test]
    fn what_has_no_row_is_nobodys() {
        let rows = Rows::of("/v1/pools");
        assert_eq!(rows.access(&Method::HEAD), Some(READ));
        assert_eq!(rows.access(&Method::PUT), Some(MANAGE));
        assert_eq!(rows.access(&Method::DELETE), None);
        assert_eq!(Rows::of("/v1/none").access(&Method::GET), None);
    }
}
